// SPDX-License-Identifier: 0BSD
#ifndef INSTANCE_H
#define INSTANCE_H

#include <QtCore/qstring.h>

/*! What makes all copies of this program one application. */
QString instanceId();

/*! The path of the lock of this user's instance, found without taking part; empty as long as there was never one. */
QString instanceLockPath();

#endif
