// SPDX-License-Identifier: 0BSD
#ifndef INSTANCE_H
#define INSTANCE_H

#include <QtCore/qstring.h>

/*! What makes all copies of this program one application. */
QString instanceId();

#endif
