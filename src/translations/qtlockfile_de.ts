<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de_DE" sourcelanguage="en_US">
<context>
    <name>QtLockFile</name>
    <message>
        <source>Cannot open the lock file %1: %2.</source>
        <translation>Die Sperrdatei %1 kann nicht geöffnet werden: %2.</translation>
    </message>
    <message>
        <source>Cannot create the lock file %1: %2.</source>
        <translation>Die Sperrdatei %1 kann nicht angelegt werden: %2.</translation>
    </message>
    <message>
        <source>Cannot inspect the lock file %1: %2.</source>
        <translation>Die Sperrdatei %1 kann nicht untersucht werden: %2.</translation>
    </message>
    <message>
        <source>Cannot lock %1: %2.</source>
        <translation>%1 kann nicht gesperrt werden: %2.</translation>
    </message>
    <message>
        <source>Cannot remove the lock file %1: %2.</source>
        <translation>Die Sperrdatei %1 kann nicht entfernt werden: %2.</translation>
    </message>
    <message>
        <source>Cannot start a thread to lock %1: %2.</source>
        <translation>Um %1 zu sperren, kann kein Thread gestartet werden: %2.</translation>
    </message>
    <message>
        <source>it is held by %1</source>
        <translation>Inhaber der Sperre ist %1</translation>
    </message>
    <message>
        <source>the time-out has passed</source>
        <translation>die Wartezeit ist abgelaufen</translation>
    </message>
    <message>
        <source>the time-out has passed, and %1</source>
        <translation>die Wartezeit ist abgelaufen, und %1</translation>
    </message>
    <message>
        <source>it was cancelled</source>
        <translation>der Versuch wurde abgebrochen</translation>
    </message>
    <message>
        <source>it is not a regular file</source>
        <translation>es ist keine reguläre Datei</translation>
    </message>
    <message>
        <source>it has content, and a lock file that is removed has to be empty</source>
        <translation>die Datei hat Inhalt, und eine Sperrdatei, die entfernt wird, muss leer sein</translation>
    </message>
    <message>
        <source>an unknown process</source>
        <translation>ein unbekannter Prozess</translation>
    </message>
    <message>
        <source>process %1</source>
        <translation>Prozess %1</translation>
    </message>
    <message>
        <source>%1 (%2)</source>
        <translation>%1 (%2)</translation>
    </message>
    <message>
        <source>free</source>
        <translation>frei</translation>
    </message>
    <message>
        <source>held by %1 since %2</source>
        <translation>Inhaber ist %1 seit %2</translation>
    </message>
    <message>
        <source>held by %1</source>
        <translation>Inhaber ist %1</translation>
    </message>
    <message>
        <source>%1 (stopped)</source>
        <translation>%1 (angehalten)</translation>
    </message>
    <message numerus="yes">
        <source>%1, %n waiting</source>
        <translation>
            <numerusform>%1, %n wartet</numerusform>
            <numerusform>%1, %n warten</numerusform>
        </translation>
    </message>
    <message>
        <source>This is the primary instance already.</source>
        <translation>Dies ist bereits die erste Instanz.</translation>
    </message>
    <message>
        <source>A start or a take-over is under way already.</source>
        <translation>Ein Start oder eine Übernahme ist bereits im Gange.</translation>
    </message>
    <message>
        <source>A single instance needs an id.</source>
        <translation>Eine einzige Instanz braucht eine Kennung.</translation>
    </message>
    <message>
        <source>Cannot leave a message in %1: %2.</source>
        <translation>In %1 kann keine Nachricht hinterlassen werden: %2.</translation>
    </message>
    <message>
        <source>the command line in %1 cannot be read: %2</source>
        <translation>die Befehlszeile in %1 kann nicht gelesen werden: %2</translation>
    </message>
    <message>
        <source>the working directory cannot be found out: %1</source>
        <translation>das Arbeitsverzeichnis kann nicht ermittelt werden: %1</translation>
    </message>
    <message>
        <source>The message was removed from %1.</source>
        <translation>Die Nachricht wurde aus %1 entfernt.</translation>
    </message>
    <message>
        <source>The payload is larger than 1 MiB.</source>
        <translation>Die Nutzlast ist größer als 1 MiB.</translation>
    </message>
    <message>
        <source>%1 is running already, and does not respond.</source>
        <translation>%1 läuft bereits und antwortet nicht.</translation>
    </message>
    <message>
        <source>The running instance ended before it had answered.</source>
        <translation>Die laufende Instanz endete, bevor sie geantwortet hatte.</translation>
    </message>
    <message>
        <source>%1 is running already, and refused: %2</source>
        <translation>%1 läuft bereits und hat abgelehnt: %2</translation>
    </message>
    <message>
        <source>%1 is running already.</source>
        <translation>%1 läuft bereits.</translation>
    </message>
    <message>
        <source>Nothing can be taken over now.</source>
        <translation>Jetzt kann nichts übernommen werden.</translation>
    </message>
    <message>
        <source>Only the primary instance can hand over to a successor.</source>
        <translation>Nur die erste Instanz kann an einen Nachfolger übergeben.</translation>
    </message>
    <message>
        <source>it ended or did not take over the lock</source>
        <translation>er endete oder hat die Sperre nicht übernommen</translation>
    </message>
    <message>
        <source>Cannot restart as %1: %2.</source>
        <translation>Ein Neustart als %1 ist nicht möglich: %2.</translation>
    </message>
    <message>
        <source>Cannot use the folder %1: %2.</source>
        <translation>Der Ordner %1 kann nicht benutzt werden: %2.</translation>
    </message>
    <message>
        <source>The folder %1 is not this user&apos;s alone, so it is not used.</source>
        <translation>Der Ordner %1 gehört nicht diesem Benutzer allein und wird deshalb nicht benutzt.</translation>
    </message>
    <message>
        <source>Cannot acquire %1: an attempt is under way already.</source>
        <translation>%1 kann nicht gesperrt werden: Ein Versuch ist bereits im Gange.</translation>
    </message>
    <message>
        <source>Cannot acquire %1: it is acquired already.</source>
        <translation>%1 kann nicht gesperrt werden: Die Sperre besteht bereits.</translation>
    </message>
    <message>
        <source>Cannot release %1: it is not acquired.</source>
        <translation>%1 kann nicht freigegeben werden: Es besteht keine Sperre.</translation>
    </message>
    <message>
        <source>A restart is under way already.</source>
        <translation>Ein Neustart ist bereits im Gange.</translation>
    </message>
    <message>
        <source>Taking over was cancelled.</source>
        <translation>Die Übernahme wurde abgebrochen.</translation>
    </message>
</context>
</TS>
