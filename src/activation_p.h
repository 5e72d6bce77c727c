// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_ACTIVATION_P_H
#define QTLOCKFILE_ACTIVATION_P_H

#include "activation.h"
#include "instancemessage_p.h"

#include <QtCore/qmutex.h>

#include <optional>

namespace QtLockFile {

class ActivationData
{
public:
    Internal::InstanceMessage message;
    QMutex mutex; // guards refusal: a slot in another thread may refuse too, and is too late if it is not direct
    std::optional<QString> refusal;
};

} // namespace QtLockFile

#endif
