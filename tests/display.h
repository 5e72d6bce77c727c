// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_DISPLAY_H
#define QTLOCKFILE_DISPLAY_H

#include <QtCore/qdeadlinetimer.h>
#include <QtCore/qdir.h>
#include <QtCore/qfile.h>
#include <QtCore/qjsonarray.h>
#include <QtCore/qjsondocument.h>
#include <QtCore/qjsonobject.h>
#include <QtCore/qprocess.h>
#include <QtCore/qstandardpaths.h>
#include <QtCore/qtemporarydir.h>
#include <QtCore/qthread.h>

#include <chrono>
#include <csignal>
#include <optional>

#include <grp.h>
#include <sys/prctl.h>
#include <unistd.h>

// Screens of a test's own: an X server with a window manager, and a Wayland compositor, both without a real screen. Their programs end with the
// object, and with the test however that ends. Debian packages: xvfb openbox xdotool, and sway qt6-wayland wtype.
//
//     XDisplay display;
//     if (display.isMissing())
//         SKIP(qPrintable(display.problem()));
//     QVERIFY2(display.isOk(), qPrintable(display.problem()));
//     process.setProcessEnvironment(display.environment());

constexpr std::chrono::milliseconds kDisplayWait{60'000}; // until a display is there; ends as soon as it is

// A program that serves a test. SIGTERM, so that it can remove its sockets.
class DisplayProgram
{
public:
    ~DisplayProgram()
    {
        if (m_process.state() == QProcess::NotRunning)
            return;
        m_process.terminate();
        if (!m_process.waitForFinished(int(kDisplayWait.count())))
            m_process.kill();
        m_process.waitForFinished();
    }

    QProcess &process() { return m_process; }
    bool isRunning() { return m_process.state() != QProcess::NotRunning && !m_process.waitForFinished(0); }

    bool start(const QString &program, const QStringList &arguments, const QProcessEnvironment &environment, uid_t user = ::geteuid())
    {
        m_process.setProcessEnvironment(environment);
        m_process.setStandardErrorFile(QProcess::nullDevice());
        m_process.setChildProcessModifier([user, test = ::getpid()] {
            if (user != ::geteuid() && (::setgroups(0, nullptr) != 0 || ::setresgid(user, user, user) != 0 || ::setresuid(user, user, user) != 0))
                ::_exit(1);
            ::prctl(PR_SET_PDEATHSIG, SIGTERM); // after setresuid(2), which takes it back
            if (::getppid() != test)
                ::_exit(1); // it has ended already
        });
        m_process.start(program, arguments);
        return m_process.waitForStarted(int(kDisplayWait.count()));
    }

    // What a program says when it is run to its end; nothing if it fails.
    static std::optional<QByteArray> run(const QString &program, const QStringList &arguments, const QProcessEnvironment &environment)
    {
        QProcess process;
        process.setProcessEnvironment(environment);
        process.setStandardErrorFile(QProcess::nullDevice());
        process.start(program, arguments);
        if (!process.waitForFinished(int(kDisplayWait.count())) || process.exitStatus() != QProcess::NormalExit || process.exitCode() != 0)
            return std::nullopt;
        return process.readAllStandardOutput();
    }

private:
    QProcess m_process;
};

// What both kinds of display are to programs.
class Display
{
public:
    bool isOk() const { return m_problem.isEmpty(); }
    bool isMissing() const { return m_isMissing; } // not installed, other than not working
    QString problem() const { return m_problem; }

    // For the programs that are to be seen there.
    QProcessEnvironment environment() const { return m_environment; }

protected:
    Display() : m_environment(QProcessEnvironment::systemEnvironment())
    {
        for (const char *variable : {"DISPLAY", "WAYLAND_DISPLAY", "DESKTOP_STARTUP_ID", "XDG_ACTIVATION_TOKEN", "XDG_SESSION_TYPE", "XDG_CURRENT_DESKTOP"})
            m_environment.remove(QString::fromLatin1(variable));
        m_environment.insert(QStringLiteral("DBUS_SESSION_BUS_ADDRESS"), QStringLiteral("disabled:")); // or libdbus starts a bus, which stays
    }

    bool fail(const QString &problem)
    {
        m_problem = problem;
        return false;
    }
    bool areInstalled(const QStringList &programs)
    {
        for (const QString &program : programs) {
            m_isMissing = QStandardPaths::findExecutable(program).isEmpty();
            if (m_isMissing)
                return fail(QStringLiteral("%1 is not installed").arg(program));
        }
        return true;
    }

    QProcessEnvironment m_environment;

private:
    QString m_problem;
    bool m_isMissing = false;
};

// Xvfb with openbox, whose focus stealing prevention is that of a desktop. Windows are named by the pid of their program.
class XDisplay : public Display
{
public:
    XDisplay() { start(); }

    // The program that has the focus; -1 if none has.
    qint64 activePid() const { return numberFrom({QStringLiteral("getactivewindow"), QStringLiteral("getwindowpid")}); }
    QString activeTitle() const
    {
        return QString::fromUtf8(ask({QStringLiteral("getactivewindow"), QStringLiteral("getwindowname")}).value_or(QByteArray()).trimmed());
    }

    // The windows of a program that are on the screen.
    QStringList windowsOf(qint64 pid) const
    {
        const QByteArray lines = ask({QStringLiteral("search"), QStringLiteral("--all"), QStringLiteral("--onlyvisible"), QStringLiteral("--pid"),
                                      QString::number(pid), QStringLiteral("--name"), QStringLiteral(".")})
                                     .value_or(QByteArray());
        return QString::fromLatin1(lines).split(u'\n', Qt::SkipEmptyParts);
    }
    bool isVisible(qint64 pid) const { return !windowsOf(pid).isEmpty(); }

    // As the user would. False where the program has no window on the screen.
    bool minimize(qint64 pid) const { return withWindow(pid, {QStringLiteral("windowminimize")}, {}); }
    bool click(qint64 pid, int x = 20, int y = 20) const
    {
        return withWindow(pid, {QStringLiteral("mousemove"), QStringLiteral("--window")},
                          {QString::number(x), QString::number(y), QStringLiteral("click"), QStringLiteral("1")});
    }
    // Keys by their X names, such as "Return" or "alt+F4", for the program that has the focus.
    bool press(const QString &keys) const { return ask({QStringLiteral("key"), keys}).has_value(); }

private:
    bool start()
    {
        if (!areInstalled({QStringLiteral("Xvfb"), QStringLiteral("openbox"), QStringLiteral("xdotool")}))
            return false;
        // It chooses a display that is free, and says so when it can be used.
        if (!m_server.start(QStringLiteral("Xvfb"),
                            {QStringLiteral("-displayfd"), QStringLiteral("1"), QStringLiteral("-nolisten"), QStringLiteral("tcp"), QStringLiteral("-noreset"),
                             QStringLiteral("-screen"), QStringLiteral("0"), QStringLiteral("1600x1000x24")},
                            m_environment))
            return fail(QStringLiteral("Xvfb cannot be run"));
        while (!m_server.process().canReadLine()) {
            if (!m_server.process().waitForReadyRead(int(kDisplayWait.count())))
                return fail(QStringLiteral("Xvfb does not get ready"));
        }
        m_environment.insert(QStringLiteral("DISPLAY"), u':' + QString::fromLatin1(m_server.process().readLine().trimmed()));
        m_environment.insert(QStringLiteral("QT_QPA_PLATFORM"), QStringLiteral("xcb"));
        if (!m_manager.start(QStringLiteral("openbox"), {QStringLiteral("--sm-disable")}, m_environment))
            return fail(QStringLiteral("openbox cannot be run"));
        // The number of desktops is a property that a window manager sets.
        const QDeadlineTimer deadline(kDisplayWait);
        while (numberFrom({QStringLiteral("get_num_desktops")}) < 1) {
            if (deadline.hasExpired() || !m_manager.isRunning())
                return fail(QStringLiteral("openbox does not get ready"));
            QThread::msleep(10);
        }
        return true;
    }

    std::optional<QByteArray> ask(const QStringList &arguments) const { return DisplayProgram::run(QStringLiteral("xdotool"), arguments, m_environment); }

    qint64 numberFrom(const QStringList &arguments) const
    {
        bool isNumber = false;
        const qint64 number = ask(arguments).value_or(QByteArray()).trimmed().toLongLong(&isNumber);
        return isNumber ? number : -1;
    }

    bool withWindow(qint64 pid, const QStringList &before, const QStringList &after) const
    {
        const QStringList windows = windowsOf(pid);
        return !windows.isEmpty() && ask(before + QStringList(windows.constLast()) + after).has_value();
    }

    DisplayProgram m_server;
    DisplayProgram m_manager;
};

// sway, with a screen in memory. It refuses to run as root, and is run as nobody then.
class SwayDisplay : public Display
{
public:
    // With lines for its configuration, sway(5).
    explicit SwayDisplay(const QByteArray &configuration = QByteArray()) { start(configuration); }

    // The program that has the focus; -1 if none has.
    qint64 activePid() const { return focused().value(u"pid").toInteger(-1); }
    QString activeTitle() const { return focused().value(u"name").toString(); }

    // A command, sway(5). False where it fails.
    bool command(const QString &command) const
    {
        return DisplayProgram::run(QStringLiteral("swaymsg"), {QStringLiteral("--"), command}, m_environment).has_value();
    }
    // Keys by their names in xkb, such as "Return", for the program that has the focus. There is a keyboard while the key is being pressed only, and
    // 200 ms before; a program that is slow to notice it misses the key.
    bool press(const QString &key) const
    {
        return DisplayProgram::run(QStringLiteral("wtype"), {QStringLiteral("-s"), QStringLiteral("200"), QStringLiteral("-k"), key}, m_environment)
            .has_value();
    }

private:
    bool start(const QByteArray &configuration)
    {
        if (!areInstalled({QStringLiteral("sway"), QStringLiteral("swaymsg"), QStringLiteral("wtype")}))
            return false;
        constexpr uid_t kUnprivileged = 65534;
        const uid_t user = ::geteuid() == 0 ? kUnprivileged : ::geteuid();
        QFile file(m_folder.filePath(QStringLiteral("config")));
        if (!file.open(QIODevice::WriteOnly) || file.write("xwayland disable\n" + configuration + '\n') < 0
            || !file.setPermissions(QFile::ReadOwner | QFile::ReadGroup | QFile::ReadOther))
            return fail(file.errorString());
        file.close();
        if (::chown(QFile::encodeName(m_folder.path()).constData(), user, gid_t(-1)) != 0)
            return fail(QStringLiteral("%1 cannot be given to user %2").arg(m_folder.path()).arg(user));

        m_environment.insert(QStringLiteral("SWAYSOCK"), m_folder.filePath(QStringLiteral("sway.socket")));
        QProcessEnvironment own = m_environment;
        own.insert(QStringLiteral("XDG_RUNTIME_DIR"), m_folder.path());
        own.insert(QStringLiteral("WLR_BACKENDS"), QStringLiteral("headless"));
        own.insert(QStringLiteral("WLR_LIBINPUT_NO_DEVICES"), QStringLiteral("1"));
        own.insert(QStringLiteral("WLR_RENDERER"), QStringLiteral("pixman"));
        if (!m_compositor.start(QStringLiteral("sway"), {QStringLiteral("--config"), file.fileName()}, own, user))
            return fail(QStringLiteral("sway cannot be run"));
        const QDeadlineTimer deadline(kDisplayWait);
        while (!command(QStringLiteral("nop"))) {
            if (deadline.hasExpired() || !m_compositor.isRunning())
                return fail(QStringLiteral("sway does not get ready"));
            QThread::msleep(10);
        }
        const QStringList sockets = QDir(m_folder.path()).entryList({QStringLiteral("wayland-*[0-9]")}, QDir::System);
        if (sockets.isEmpty())
            return fail(QStringLiteral("sway has no socket"));
        m_environment.insert(QStringLiteral("WAYLAND_DISPLAY"), m_folder.filePath(sockets.constFirst()));
        m_environment.insert(QStringLiteral("QT_QPA_PLATFORM"), QStringLiteral("wayland"));
        return true;
    }

    QJsonObject focused() const
    {
        const std::optional<QByteArray> tree =
            DisplayProgram::run(QStringLiteral("swaymsg"), {QStringLiteral("--raw"), QStringLiteral("-t"), QStringLiteral("get_tree")}, m_environment);
        return focusedIn(QJsonDocument::fromJson(tree.value_or(QByteArray())).object());
    }

    static QJsonObject focusedIn(const QJsonObject &node)
    {
        if (node.value(u"focused").toBool())
            return node;
        for (const QStringView children : {u"nodes", u"floating_nodes"}) {
            const QJsonArray list = node.value(children).toArray();
            for (const QJsonValue &child : list) {
                const QJsonObject found = focusedIn(child.toObject());
                if (!found.isEmpty())
                    return found;
            }
        }
        return QJsonObject();
    }

    QTemporaryDir m_folder;
    DisplayProgram m_compositor;
};

#endif
