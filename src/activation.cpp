// SPDX-License-Identifier: 0BSD
#include "activation.h"
#include "activation_p.h"

#include <QtCore/qfile.h>

namespace QtLockFile {

Activation::Activation() : d(std::make_shared<ActivationData>())
{
}

QStringList Activation::arguments() const
{
    QStringList result;
    for (const QByteArray &argument : d->message.arguments)
        result.append(QFile::decodeName(argument));
    return result;
}

QByteArrayList Activation::rawArguments() const
{
    return d->message.arguments;
}

QString Activation::workingDirectory() const
{
    return QFile::decodeName(d->message.workingDirectory);
}

QByteArray Activation::rawWorkingDirectory() const
{
    return d->message.workingDirectory;
}

QByteArray Activation::environment(const QByteArray &name) const
{
    return d->message.environment.value(name);
}

QByteArray Activation::activationToken() const
{
    return d->message.activationToken;
}

QByteArray Activation::payload() const
{
    return d->message.payload;
}

void Activation::refuse(const QString &reason) const
{
    const QMutexLocker guard(&d->mutex);
    d->refusal = reason;
}

} // namespace QtLockFile
