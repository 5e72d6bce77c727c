// SPDX-License-Identifier: 0BSD
#include "instance.h"

QString instanceId()
{
    return QStringLiteral("qtlockfile-demo");
}
