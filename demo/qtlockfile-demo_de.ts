<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de" sourcelanguage="en">
<context>
    <name>CommandLine</name>
    <message>
        <source>Print this help.</source>
        <translation>Diese Hilfe ausgeben.</translation>
    </message>
    <message>
        <source>Print the version.</source>
        <translation>Die Version ausgeben.</translation>
    </message>
    <message>
        <source>Show the lock file &lt;path&gt;, to take it or only to watch it. An instance that runs already shows it.</source>
        <translation>Die Sperrdatei &lt;Pfad&gt; zeigen, um sie zu sperren oder nur zu beobachten. Läuft das Programm schon, so zeigt sie die laufende Instanz.</translation>
    </message>
    <message>
        <source>path</source>
        <translation>Pfad</translation>
    </message>
    <message>
        <source>If an instance runs already, queue to take over from it: without end, or as long as --wait=&lt;seconds&gt; says. Exit code 1 if it was in vain.</source>
        <translation>Läuft das Programm schon, sich anstellen und die Sperre dann übernehmen: ohne Ende, oder so lange, wie --wait=&lt;Sekunden&gt; sagt. Rückgabewert 1, wenn das vergeblich war.</translation>
    </message>
    <message>
        <source>seconds</source>
        <translation>Sekunden</translation>
    </message>
    <message>
        <source>Print who holds the lock and who waits: the lock of the running instance, or that at --lock &lt;path&gt;. Exit code: 0 free, 1 held, 2 error.</source>
        <translation>Ausgeben, wer die Sperre hält und wer wartet: die Sperre der laufenden Instanz oder die von --lock &lt;Pfad&gt;. Rückgabewert: 0 frei, 1 gesperrt, 2 Fehler.</translation>
    </message>
    <message>
        <source>Save pictures of a guided tour in &lt;folder&gt;.</source>
        <translation>Bilder eines Rundgangs in &lt;Ordner&gt; speichern.</translation>
    </message>
    <message>
        <source>folder</source>
        <translation>Ordner</translation>
    </message>
    <message>
        <source>Runs once per user, and shows locks: who holds them and who waits for them.</source>
        <translation>Läuft je Benutzer einmal und zeigt Sperren: wer sie hält und wer auf sie wartet.</translation>
    </message>
    <message>
        <source>Nothing is known of &quot;%1&quot;.</source>
        <translation>Mit „%1“ ist nichts anzufangen.</translation>
    </message>
    <message>
        <source>--lock wants a path.</source>
        <translation>--lock braucht einen Pfad.</translation>
    </message>
    <message>
        <source>--wait wants a number of seconds.</source>
        <translation>--wait braucht eine Anzahl Sekunden.</translation>
    </message>
</context>
<context>
    <name>InstancePanel</name>
    <message>
        <source>This application</source>
        <translation>Dieses Programm</translation>
    </message>
    <message>
        <source>Start another &amp;instance</source>
        <translation>&amp;Noch eine starten</translation>
    </message>
    <message>
        <source>Start this program once more. It finds this one running, calls it to the front, says so on the standard error output, and ends without a window.</source>
        <translation>Dieses Programm noch einmal starten. Es findet das laufende, holt es nach vorn, sagt das auf der Fehlerausgabe und endet ohne Fenster.</translation>
    </message>
    <message>
        <source>Start one that &amp;queues</source>
        <translation>&amp;Eine anstellen</translation>
    </message>
    <message>
        <source>Start this program once more, to wait for its turn. It appears in the queue above, and takes over when all before it have ended.</source>
        <translation>Dieses Programm noch einmal starten, um zu warten, bis es an der Reihe ist. Es erscheint oben in der Schlange und übernimmt, wenn alle davor beendet sind.</translation>
    </message>
    <message>
        <source>R&amp;estart</source>
        <translation>Neu s&amp;tarten</translation>
    </message>
    <message>
        <source>Hand over to a fresh copy of this program. Who queues keeps its place, and nobody can slip in.</source>
        <translation>An eine neue Kopie dieses Programms übergeben. Wer wartet, behält seinen Platz, und niemand kommt dazwischen.</translation>
    </message>
    <message>
        <source>started</source>
        <translation>Start</translation>
    </message>
    <message>
        <source>process %1</source>
        <translation>Prozess %1</translation>
    </message>
    <message>
        <source>nothing: %1 cannot be run</source>
        <translation>nichts: %1 lässt sich nicht ausführen</translation>
    </message>
</context>
<context>
    <name>LockPanel</name>
    <message>
        <source>Any lock file</source>
        <translation>Beliebige Sperrdatei</translation>
    </message>
    <message>
        <source>Path of a lock file</source>
        <translation>Pfad einer Sperrdatei</translation>
    </message>
    <message>
        <source>Path of the lock file</source>
        <translation>Pfad der Sperrdatei</translation>
    </message>
    <message>
        <source>&amp;Path:</source>
        <translation>&amp;Pfad:</translation>
    </message>
    <message>
        <source>C&amp;hoose…</source>
        <translation>Aus&amp;wählen …</translation>
    </message>
    <message>
        <source>Choose a lock file to watch</source>
        <translation>Eine Sperrdatei wählen</translation>
    </message>
    <message>
        <source>&amp;Acquire</source>
        <translation>&amp;Sperren</translation>
    </message>
    <message>
        <source>Wait in the queue until the lock is ours: acquire()</source>
        <translation>In der Schlange warten, bis wir die Sperre haben: acquire()</translation>
    </message>
    <message>
        <source>&amp;Try</source>
        <translation>&amp;Versuchen</translation>
    </message>
    <message>
        <source>Have the lock at once or not at all: tryAcquire()</source>
        <translation>Die Sperre sofort bekommen oder gar nicht: tryAcquire()</translation>
    </message>
    <message>
        <source>&amp;Cancel</source>
        <translation>&amp;Abbrechen</translation>
    </message>
    <message>
        <source>Stop waiting: cancel()</source>
        <translation>Nicht länger warten: cancel()</translation>
    </message>
    <message>
        <source>&amp;Release</source>
        <translation>&amp;Freigeben</translation>
    </message>
    <message>
        <source>Let the lock go; the next in line has it at once: release()</source>
        <translation>Die Sperre loslassen; der Nächste hat sie sofort: release()</translation>
    </message>
    <message>
        <source>&amp;Keep the file</source>
        <translation>&amp;Datei behalten</translation>
    </message>
    <message>
        <source>Leave the lock file in place after releasing: setRemoveOnRelease(false)</source>
        <translation>Die Sperrdatei nach dem Freigeben liegen lassen: setRemoveOnRelease(false)</translation>
    </message>
    <message>
        <source>none</source>
        <translation>keine</translation>
    </message>
    <message>
        <source> s</source>
        <translation> s</translation>
    </message>
    <message>
        <source>How long Acquire waits: setTimeout()</source>
        <translation>Wie lange „Sperren“ wartet: setTimeout()</translation>
    </message>
    <message>
        <source>Time-out</source>
        <translation>Frist</translation>
    </message>
    <message>
        <source>Time-&amp;out:</source>
        <translation>F&amp;rist:</translation>
    </message>
    <message>
        <source>Choose a Lock File</source>
        <translation>Sperrdatei wählen</translation>
    </message>
    <message>
        <source>call</source>
        <translation>Aufruf</translation>
    </message>
    <message>
        <source>signal</source>
        <translation>Signal</translation>
    </message>
</context>
<context>
    <name>Main</name>
    <message>
        <source>No folder can be used for the lock of this program.</source>
        <translation>Es gibt keinen Ordner, den die Sperre dieses Programms benutzen kann.</translation>
    </message>
    <message>
        <source>%1: %2</source>
        <translation>%1: %2</translation>
    </message>
    <message>
        <source>%1 (stopped)</source>
        <translation>%1 (angehalten)</translation>
    </message>
    <message>
        <source>%1 is still running.</source>
        <translation>%1 läuft noch.</translation>
    </message>
</context>
<context>
    <name>MainWindow</name>
    <message>
        <source>QtLockFile demo – process %1</source>
        <translation>QtLockFile-Demo – Prozess %1</translation>
    </message>
    <message>
        <source>Quit</source>
        <translation>Beenden</translation>
    </message>
    <message>
        <source>Calls and signals, with their times</source>
        <translation>Aufrufe und Signale mit ihren Zeiten</translation>
    </message>
    <message>
        <source>Calls and si&amp;gnals</source>
        <translation>Aufrufe und Si&amp;gnale</translation>
    </message>
    <message>
        <source>call</source>
        <translation>Aufruf</translation>
    </message>
    <message>
        <source>signal</source>
        <translation>Signal</translation>
    </message>
    <message>
        <source>QtLockFile demo</source>
        <translation>QtLockFile-Demo</translation>
    </message>
    <message>
        <source>It is busy with %1.</source>
        <translation>Sie ist mit %1 beschäftigt.</translation>
    </message>
</context>
<context>
    <name>NotRespondingDialog</name>
    <message>
        <source>QtLockFile demo</source>
        <translation>QtLockFile-Demo</translation>
    </message>
    <message>
        <source>It may hold what is not saved, so it is not ended by force. This copy can wait until it ends, and then takes over.</source>
        <translation>Vielleicht enthält es Ungespeichertes; darum wird es nicht gewaltsam beendet. Diese Kopie kann warten, bis es endet, und dann übernehmen.</translation>
    </message>
    <message>
        <source>Program:</source>
        <translation>Programm:</translation>
    </message>
    <message>
        <source>Process:</source>
        <translation>Prozess:</translation>
    </message>
    <message>
        <source>Running since:</source>
        <translation>Läuft seit:</translation>
    </message>
    <message>
        <source>State:</source>
        <translation>Zustand:</translation>
    </message>
    <message>
        <source>Lock file:</source>
        <translation>Sperrdatei:</translation>
    </message>
    <message>
        <source>&amp;Try again</source>
        <translation>Noch einmal &amp;versuchen</translation>
    </message>
    <message>
        <source>&amp;Quit</source>
        <translation>&amp;Beenden</translation>
    </message>
    <message>
        <source>&amp;Wait and take over</source>
        <translation>&amp;Warten und übernehmen</translation>
    </message>
    <message>
        <source>not known</source>
        <translation>nicht bekannt</translation>
    </message>
    <message>
        <source>being asked again…</source>
        <translation>wird noch einmal gefragt …</translation>
    </message>
    <message>
        <source>stopped</source>
        <translation>angehalten</translation>
    </message>
    <message>
        <source>not answering</source>
        <translation>antwortet nicht</translation>
    </message>
    <message>
        <source>The program is running already, but it was stopped and cannot answer.</source>
        <translation>Das Programm läuft schon, wurde aber angehalten und kann nicht antworten.</translation>
    </message>
    <message>
        <source>The program is running already, but it does not answer.</source>
        <translation>Das Programm läuft schon, antwortet aber nicht.</translation>
    </message>
</context>
<context>
    <name>StatusWidget</name>
    <message>
        <source>%L1st</source>
        <comment>ordinal number ending in 1, but not in 11</comment>
        <translation>%L1.</translation>
    </message>
    <message>
        <source>%L1nd</source>
        <comment>ordinal number ending in 2, but not in 12</comment>
        <translation>%L1.</translation>
    </message>
    <message>
        <source>%L1rd</source>
        <comment>ordinal number ending in 3, but not in 13</comment>
        <translation>%L1.</translation>
    </message>
    <message>
        <source>%L1th</source>
        <comment>any other ordinal number</comment>
        <translation>%L1.</translation>
    </message>
    <message>
        <source>%1 s</source>
        <translation>%1 s</translation>
    </message>
    <message>
        <source>%1 min %2 s</source>
        <translation>%1 min %2 s</translation>
    </message>
    <message>
        <source>%1 h %2 min</source>
        <translation>%1 h %2 min</translation>
    </message>
    <message>
        <source>%1 d %2 h</source>
        <translation>%1 d %2 h</translation>
    </message>
    <message>
        <source>no permission</source>
        <translation>keine Berechtigung</translation>
    </message>
    <message>
        <source>not a lock file</source>
        <translation>keine Sperrdatei</translation>
    </message>
    <message>
        <source>no space left</source>
        <translation>kein Platz mehr</translation>
    </message>
    <message>
        <source>read-only file system</source>
        <translation>schreibgeschütztes Dateisystem</translation>
    </message>
    <message>
        <source>no such locks on this file system</source>
        <translation>keine solchen Sperren auf diesem Dateisystem</translation>
    </message>
    <message>
        <source>Path of the lock file</source>
        <translation>Pfad der Sperrdatei</translation>
    </message>
    <message>
        <source>Copy</source>
        <translation>Kopieren</translation>
    </message>
    <message>
        <source>Copy the path to the clipboard</source>
        <translation>Den Pfad in die Zwischenablage kopieren</translation>
    </message>
    <message>
        <source>Copy the path</source>
        <translation>Pfad kopieren</translation>
    </message>
    <message>
        <source>Place</source>
        <translation>Platz</translation>
    </message>
    <message>
        <source>Program</source>
        <translation>Programm</translation>
    </message>
    <message>
        <source>PID</source>
        <translation>PID</translation>
    </message>
    <message>
        <source>Remark</source>
        <translation>Bemerkung</translation>
    </message>
    <message>
        <source>holds it</source>
        <translation>hält sie</translation>
    </message>
    <message>
        <source>Who holds the lock and who waits for it</source>
        <translation>Wer die Sperre hält und wer auf sie wartet</translation>
    </message>
    <message>
        <source>Looking at the file…</source>
        <translation>Die Datei wird angesehen …</translation>
    </message>
    <message>
        <source>Nothing watched</source>
        <translation>Nichts beobachtet</translation>
    </message>
    <message>
        <source>Free</source>
        <translation>Frei</translation>
    </message>
    <message>
        <source>Waiting</source>
        <translation>Wartet</translation>
    </message>
    <message>
        <source>Held by us</source>
        <translation>Von uns gehalten</translation>
    </message>
    <message>
        <source>Held by %1</source>
        <comment>a program and its process id</comment>
        <translation>Gehalten von %1</translation>
    </message>
    <message>
        <source>Cannot be locked</source>
        <translation>Nicht zu sperren</translation>
    </message>
    <message>
        <source>The file was removed under us</source>
        <translation>Die Datei wurde uns weggenommen</translation>
    </message>
    <message>
        <source>no file chosen</source>
        <translation>keine Datei gewählt</translation>
    </message>
    <message>
        <source>nobody holds it</source>
        <translation>niemand hält sie</translation>
    </message>
    <message>
        <source>next in line</source>
        <translation>als Nächster dran</translation>
    </message>
    <message>
        <source>%1 in line</source>
        <comment>3rd in line</comment>
        <translation>als %1 dran</translation>
    </message>
    <message>
        <source>for %1</source>
        <comment>has been waiting for 12 s</comment>
        <translation>seit %1</translation>
    </message>
    <message>
        <source>another machine or sandbox</source>
        <translation>auf einem anderen Rechner oder in einer Sandbox</translation>
    </message>
    <message>
        <source>since when is not known</source>
        <translation>seit wann, ist nicht bekannt</translation>
    </message>
    <message>
        <source>since %1</source>
        <translation>seit %1</translation>
    </message>
    <message>
        <source>others can lock the path now</source>
        <translation>andere können den Pfad jetzt sperren</translation>
    </message>
    <message>
        <source>for %1</source>
        <comment>has been held for 12 s</comment>
        <translation>%1 lang</translation>
    </message>
    <message>
        <source>stopped</source>
        <translation>angehalten</translation>
    </message>
    <message>
        <source>, </source>
        <comment>between parts of a list</comment>
        <translation>, </translation>
    </message>
    <message>
        <source>%1, %2</source>
        <comment>state, detail: Waiting, 3rd in line</comment>
        <translation>%1, %2</translation>
    </message>
    <message>
        <source>%1: %2</source>
        <comment>state, detail: Cannot be locked: no permission</comment>
        <translation>%1: %2</translation>
    </message>
    <message>
        <source>%1 (%2)</source>
        <comment>state, detail: Held by an unknown process (another machine or sandbox)</comment>
        <translation>%1 (%2)</translation>
    </message>
    <message>
        <source>%1 %2</source>
        <comment>state, detail: Held by us since 10:41</comment>
        <translation>%1 %2</translation>
    </message>
    <message>
        <source>this process</source>
        <translation>dieser Prozess</translation>
    </message>
    <message>
        <source>%L1</source>
        <comment>place in the queue</comment>
        <translation>%L1</translation>
    </message>
    <message>
        <source>unknown</source>
        <translation>unbekannt</translation>
    </message>
    <message>
        <source>, </source>
        <translation>, </translation>
    </message>
    <message>
        <source>We still hold the removed file. Nobody holds the path.</source>
        <translation>Wir halten noch die entfernte Datei. Den Pfad hält niemand.</translation>
    </message>
    <message>
        <source>Choose a lock file to see who holds it and who waits for it.</source>
        <translation>Wählen Sie eine Sperrdatei, um zu sehen, wer sie hält und wer auf sie wartet.</translation>
    </message>
    <message>
        <source>Nobody holds the lock, and nobody waits for it.</source>
        <translation>Niemand hält die Sperre, und niemand wartet auf sie.</translation>
    </message>
</context>
<context>
    <name>Tour</name>
    <message>
        <source># A guided tour of the QtLockFile demo
</source>
        <translation># Ein Rundgang durch die QtLockFile-Demo
</translation>
    </message>
    <message>
        <source>Cannot create the folder %1.</source>
        <translation>Der Ordner %1 lässt sich nicht anlegen.</translation>
    </message>
    <message>
        <source>The tour has failed.</source>
        <translation>Der Rundgang ist gescheitert.</translation>
    </message>
    <message>
        <source>The first copy holds the lock of the application: it is the one instance.</source>
        <translation>Die erste Kopie hält die Sperre des Programms: sie ist die eine Instanz.</translation>
    </message>
    <message>
        <source>The second copy did not find the first: %1</source>
        <translation>Die zweite Kopie hat die erste nicht gefunden: %1</translation>
    </message>
    <message>
        <source>
A second copy, started with `--lock`, ends without a window, and says who runs already:
</source>
        <translation>
Eine zweite Kopie, mit `--lock` gestartet, endet ohne Fenster und sagt, wer schon läuft:
</translation>
    </message>
    <message>
        <source>It has called the first window to the front, which now shows what the second was asked for.</source>
        <translation>Sie hat das erste Fenster nach vorn geholt, das nun zeigt, was die zweite zeigen sollte.</translation>
    </message>
    <message>
        <source>Two more copies, started with `--wait`, queue without freezing. This one is the last.</source>
        <translation>Zwei weitere Kopien, mit `--wait` gestartet, stellen sich an, ohne einzufrieren. Diese ist die letzte.</translation>
    </message>
    <message>
        <source>The first copy sees them come.</source>
        <translation>Die erste Kopie sieht sie kommen.</translation>
    </message>
    <message>
        <source>The wait was not cancelled.</source>
        <translation>Das Warten wurde nicht abgebrochen.</translation>
    </message>
    <message>
        <source>The last one was cancelled, and is out of the queue at once.</source>
        <translation>Die letzte wurde abgebrochen und ist sofort aus der Schlange.</translation>
    </message>
    <message>
        <source>Nobody has taken over.</source>
        <translation>Niemand hat übernommen.</translation>
    </message>
    <message>
        <source>*Restart* has handed the lock to a fresh copy, with another process number. Who was next in line still is.</source>
        <translation>*Neu starten* hat die Sperre einer neuen Kopie mit anderer Prozessnummer übergeben. Wer als Nächster dran war, ist es noch.</translation>
    </message>
    <message>
        <source>That copy was stopped, so another start gets no answer. It asks what to do, and kills nobody.</source>
        <translation>Diese Kopie wurde angehalten, also bekommt ein weiterer Start keine Antwort. Er fragt, was zu tun ist, und beendet niemanden.</translation>
    </message>
    <message>
        <source>*Wait and take over* queues, behind the one that waits already.</source>
        <translation>*Warten und übernehmen* stellt sich an, hinter der Kopie, die schon wartet.</translation>
    </message>
    <message>
        <source>The stopped copy was killed: the kernel hands the lock to the next in line, which opens its window.</source>
        <translation>Die angehaltene Kopie wurde beendet: der Kernel gibt die Sperre dem Nächsten, der nun sein Fenster öffnet.</translation>
    </message>
    <message>
        <source>Any other lock file can be watched, and taken. The log has each call and each signal.</source>
        <translation>Jede andere Sperrdatei lässt sich beobachten und sperren. Das Protokoll zeigt jeden Aufruf und jedes Signal.</translation>
    </message>
    <message>
        <source>Somebody has removed the file while it was held: the holder is told.</source>
        <translation>Jemand hat die Datei entfernt, während sie gehalten wurde: der Halter erfährt es.</translation>
    </message>
    <message>
        <source>A copy did not end well.</source>
        <translation>Eine Kopie ist nicht gut zu Ende gegangen.</translation>
    </message>
    <message>
        <source>The lock is still held.</source>
        <translation>Die Sperre wird noch gehalten.</translation>
    </message>
</context>
<context>
    <name>WaitDialog</name>
    <message>
        <source>QtLockFile demo – waiting</source>
        <translation>QtLockFile-Demo – wartet</translation>
    </message>
    <message>
        <source>This copy of the program opens its window as soon as those before it have ended.</source>
        <translation>Diese Kopie des Programms öffnet ihr Fenster, sobald die vor ihr beendet sind.</translation>
    </message>
    <message>
        <source>&amp;Cancel</source>
        <translation>&amp;Abbrechen</translation>
    </message>
</context>
</TS>
