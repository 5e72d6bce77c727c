// SPDX-License-Identifier: 0BSD
// Shows the files that it is given, each in a tab.
#include <QApplication>
#include <QDir>
#include <QFile>
#include <QLockFile>
#include <QPlainTextEdit>
#include <QTabWidget>
#include <QTextStream>

class Notes : public QTabWidget
{
    Q_OBJECT

public slots:
    void open(const QStringList &arguments, const QString &folder)
    {
        for (const QString &argument : arguments.mid(1)) {
            QFile file(QDir(folder).filePath(argument));
            if (!file.open(QIODevice::ReadOnly))
                continue;
            addTab(new QPlainTextEdit(QString::fromUtf8(file.readAll())), argument);
            QTextStream(stdout) << "opened " << file.fileName() << Qt::endl;
        }
        show();
        activateWindow();
    }
};

int main(int argc, char *argv[])
{
    QApplication app(argc, argv);

    QLockFile lock(QDir::temp().filePath("notes.lock"));
    lock.setStaleLockTime(0);
    if (!lock.tryLock()) {
        qWarning("Notes is running already.");
        return 1;
    }

    Notes notes;
    notes.open(app.arguments(), QDir::currentPath());
    return app.exec();
}

#include "main.moc"
