// SPDX-License-Identifier: 0BSD
//
// The ticket queue of src/ticketlock_p.cpp, for spin to check exhaustively: TICKETS processes that wait in the queue
// (TicketLock::acquire), one attempt that does not wait (TicketLock::tryAcquire), one peer that locks the whole file
// by the protocol of a plain lock file, and an outsider who removes the file once. All but the outsider come and go as
// often as they like, and decide each time anew whether they remove the file, so one run covers every mix and any
// number of attempts.
//
// Each step is one system call. `at` tells which comes next, by the function that makes it: draw_checkPath is the call
// of checkPath() in TicketLock::draw(). Calls are one step only where nobody can tell the difference:
//
//   open(2) and, where the file is missing, open(2) with O_CREAT: the last of them decides;
//   a tryLock() that fails and the findLock() after it: both can be as of the latter;
//   checkPath() and findHighestLock() in the draw: the one sees the path alone, the other the tickets alone, and while
//     the gate is locked tickets only go;
//   findHighestLock() and tryLock() of the ticket: what can go between the two is a ticket, so that the number is
//     higher than it had to be; that may happen always here;
//   findLock() and checkPath() in removeInGate(): where no ticket is, none comes while the gate is locked;
//   unlock() and close(2): afterwards the open file is nobody's. Who then starts over is as good as new.
//
// Read locks of those who wait need no memory: they lie below a write lock of the same owner, and go with it. Name
// tags, the clock, announcements and fork(2) do not matter to who holds, and are left out.
//
// States that differ by names alone are one state: see nameAnew().
//
// What can be chosen, by -D:
//   TICKETS=n       how many processes with tickets, 3
//   NO_CRASH, NO_CANCEL, NO_OUTSIDER
//   ALL_REMOVE      everybody removes the file, so it has to be gone when the last one out had a ticket and did not crash
//   STOPS           one may be stopped for ever in the gate, and those who leave run out of patience; with NO_OUTSIDER
//   SERVICE         each participant is a process of its own, so that spin can prove that who waits is served if all go on
//   TICKETS_ALONE   with SERVICE: without the attempt that does not wait and without the peer
//   WITHOUT_...     one of the precautions is left out, and then the proof has to fail
//   TRACE           pan -r tells in words what happens on the way to an error

#ifndef TICKETS
#define TICKETS 3
#endif
#define TRY TICKETS        // the index of the attempt that does not wait
#define PEER (TICKETS + 1) // and of the peer
#define EVERYBODY (TICKETS + 2)
#define isTicket(p) (p < TICKETS)

#define NONE 15 // no ticket
#define PATH 1  // the file at the path, whichever it is; higher numbers are files that were removed and are still open

// What comes next. As numbers, since C knows nothing of Promela's names.
#define idle 0
#define draw_open 1
#define draw_tryLock 2
#define draw_await 3
#define draw_checkPath 4
#define draw_unlockRest 5
#define draw_unlockGate 6
#define acquire_unlockOld 7
#define awaitTurn_first 8
#define awaitTurn_second 9
#define acquire_checkPath 10
#define holding 11
#define remove_tryLock 12
#define remove_tryLockOnce 13
#define removeInGate_findLock 14
#define removeInGate_unlink 15
#define remove_unlock 16
#define tryAcquire_tryLock 17
#define tryAcquire_checkPath 18
#define tryAcquire_unlockRest 19
#define peer_lock 20
#define peer_checkPath 21
#define peer_holding 22
#define peer_close 23
#define stopped 24

typedef Participant {
    unsigned at : 5;
    unsigned file : 4;      // that it has open, 0: none
    unsigned ticket : 4;    // that it has locked
    bit tickets;            // it has locked all of them
    bit gate;               // it has locked the gate
    unsigned old : 4;       // the file of the queue that it leaves, while it draws in the new one, and its ticket there
    unsigned oldTicket : 4;
#ifdef SERVICE
    bit fickle;             // it may give up or crash
#endif
    bit lost                // the file was removed after it had looked at the path: nobody can protect it from that
};

Participant who[EVERYBODY];
byte behind[TICKETS]; // as a set of bits: those who have to hold before it does, unless they give up
bit linked;           // the path leads to a file
bit struck;           // the outsider has removed one
#ifdef ALL_REMOVE
bit littered; // somebody crashed, and nobody has begun to leave since
#define crashed(yes) littered = yes
#else
#define crashed(yes) skip
#endif
#ifdef STOPS
bit somebodyStopped;
#endif

c_code {
    // What the kernel knows.

    static int locksBelow(int q, int file, int ticket) // any ticket below this one
    {
        return (now.who[q].file == file && (now.who[q].tickets || now.who[q].ticket < ticket))
            || (now.who[q].old == file && now.who[q].oldTicket < ticket);
    }

    static int locksTicket(int q, int file, int ticket)
    {
        return (now.who[q].file == file && (now.who[q].tickets || now.who[q].ticket == ticket))
            || (now.who[q].old == file && now.who[q].oldTicket == ticket);
    }

    static int gateIsFree(int p)
    {
        for (int q = 0; q < EVERYBODY; ++q) {
            if (q != p && now.who[q].file == now.who[p].file && now.who[q].gate)
                return 0;
        }
        return 1;
    }

    static int ticketsAreFree(int p, int below)
    {
        for (int q = 0; q < EVERYBODY; ++q) {
            if (q != p && locksBelow(q, now.who[p].file, below))
                return 0;
        }
        return 1;
    }

    static int ticketsAreAllFree(int p) { return ticketsAreFree(p, NONE); }
    static int allIsFree(int p) { return gateIsFree(p) && ticketsAreFree(p, NONE); }
    static int beforeIsFree(int p) { return ticketsAreFree(p, now.who[p].ticket); }

    static int firstIsFree(int p)
    {
        for (int q = 0; q < EVERYBODY; ++q) {
            if (q != p && now.who[p].ticket > 0 && locksTicket(q, now.who[p].file, now.who[p].ticket - 1))
                return 0;
        }
        return 1;
    }

    // What must never be.

    static int holds(int p)
    {
        switch (now.who[p].at) {
        case holding:
        case draw_unlockRest:
        case tryAcquire_unlockRest:
        case peer_holding:
        case peer_close:
            return 1;
        default:
            return 0;
        }
    }

    // Two at once, on one file; or two on two, each of whom may believe that the path leads to its own.
    static int twoHold(void)
    {
        for (int p = 0; p < EVERYBODY; ++p) {
            for (int q = 0; q < p; ++q) {
                if (holds(p) && holds(q)
                    && (now.who[p].file == now.who[q].file || (!now.who[p].lost && !now.who[q].lost)))
                    return 1;
            }
        }
        return 0;
    }

    // On a file that the path does not lead to, and has not led to since it looked.
    static int holdsElsewhere(void)
    {
        for (int p = 0; p < EVERYBODY; ++p) {
            if (holds(p) && now.who[p].file != PATH && !now.who[p].lost && now.who[p].at != peer_close)
                return 1;
        }
        return 0;
    }

    // Sleeps in the kernel, or asks it again and again, until somebody else does something.
    static int isBlocked(int p)
    {
        switch (now.who[p].at) {
        case draw_await:
            return !gateIsFree(p);
        case awaitTurn_first:
            return !firstIsFree(p);
        case awaitTurn_second:
            return !beforeIsFree(p);
        case peer_lock:
            return !allIsFree(p);
        case remove_tryLock:
#ifndef STOPS
            return !gateIsFree(p) && ticketsAreFree(p, NONE);
#else
            return 0;
#endif
        case stopped:
            return 1;
        default:
            return 0;
        }
    }

    // Somebody waits, and nobody who is under way can do anything about it.
    static int stuck(void)
    {
        int waiting = 0;
        for (int p = 0; p < EVERYBODY; ++p) {
            if (now.who[p].at == idle)
                continue;
            if (!isBlocked(p))
                return 0;
#ifdef STOPS // those who wait for the gate may wait for who is stopped in it, but nobody who has a ticket may
            if (now.who[p].ticket == NONE && !now.who[p].old)
                continue;
#endif
            waiting = 1;
        }
        return waiting;
    }

    static int allIdle(void)
    {
        for (int p = 0; p < EVERYBODY; ++p) {
            if (now.who[p].at != idle)
                return 0;
        }
        return 1;
    }

#ifdef TRACE // for people, when spin replays what it has found: pan -r
    static void show(void)
    {
        static const char *const next[] = {
            "idle", "draw_open", "draw_tryLock", "draw_await", "draw_checkPath", "draw_unlockRest",
            "draw_unlockGate", "acquire_unlockOld", "awaitTurn_first", "awaitTurn_second", "acquire_checkPath",
            "holding", "remove_tryLock", "remove_tryLockOnce", "removeInGate_findLock", "removeInGate_unlink",
            "remove_unlock", "tryAcquire_tryLock", "tryAcquire_checkPath", "tryAcquire_unlockRest", "peer_lock",
            "peer_checkPath", "peer_holding", "peer_close", "stopped"
        };
        for (int p = 0; p < EVERYBODY; ++p) {
            if (now.who[p].at == idle)
                continue;
            printf("%s: file %d, ticket %d%s%s, next %s; ", p == TRY ? "try" : p == PEER ? "peer" : "process", now.who[p].file,
                   now.who[p].ticket == NONE ? -1 : now.who[p].ticket, now.who[p].tickets ? ", all tickets" : "",
                   now.who[p].gate ? ", gate" : "", next[now.who[p].at]);
        }
        printf(now.linked ? "a file at the path\n" : "no file at the path\n");
    }
#endif

    // States that differ by names alone are one.

    // Tickets are numbers to be compared with each other and with the one before. So of each gap one number is left,
    // below the lowest one too, as long as it is not 0.
    static void closeGaps(int file)
    {
        int taken[NONE + 1] = {0};
        int renamed[NONE + 1];
        int next = 0;
        for (int p = 0; p < EVERYBODY; ++p) {
            if (now.who[p].file == file)
                taken[now.who[p].ticket] = 1;
            if (now.who[p].old == file)
                taken[now.who[p].oldTicket] = 1;
        }
        for (int ticket = 0; ticket < NONE; ++ticket) {
            renamed[ticket] = next;
            if (taken[ticket] || (next == 0 || taken[ticket - 1]))
                ++next;
        }
        renamed[NONE] = NONE;
        for (int p = 0; p < EVERYBODY; ++p) {
            if (now.who[p].file == file)
                now.who[p].ticket = renamed[now.who[p].ticket];
            if (now.who[p].old == file)
                now.who[p].oldTicket = renamed[now.who[p].oldTicket];
        }
    }

    // Files that were removed, in the order in which the participants have them open.
    static void numberFiles(void)
    {
        int renamed[16] = {0, PATH};
        int next = PATH;
        for (int p = 0; p < EVERYBODY; ++p) {
            if (now.who[p].file > PATH && !renamed[now.who[p].file])
                renamed[now.who[p].file] = ++next;
            if (now.who[p].old > PATH && !renamed[now.who[p].old])
                renamed[now.who[p].old] = ++next;
        }
        for (int p = 0; p < EVERYBODY; ++p) {
            now.who[p].file = renamed[now.who[p].file];
            now.who[p].old = renamed[now.who[p].old];
        }
        for (int file = PATH; file <= next; ++file)
            closeGaps(file);
    }

    static void swapTickets(int p, int q)
    {
        struct Participant participant = now.who[p];
        now.who[p] = now.who[q];
        now.who[q] = participant;
        unsigned char set = now.behind[p];
        now.behind[p] = now.behind[q];
        now.behind[q] = set;
        for (int i = 0; i < TICKETS; ++i) {
            set = now.behind[i];
            const int hasP = set >> p & 1;
            const int hasQ = set >> q & 1;
            now.behind[i] = (set & ~(1 << p | 1 << q)) | hasP << q | hasQ << p;
        }
    }

    static void nameAnew(void)
    {
        numberFiles();
#ifndef SERVICE // there the processes have their own names
        int sorted = 0;
        while (!sorted) {
            sorted = 1;
            for (int p = 0; p + 1 < TICKETS; ++p) {
                if (memcmp(&now.who[p], &now.who[p + 1], sizeof now.who[p]) > 0) {
                    swapTickets(p, p + 1);
                    sorted = 0;
                }
            }
        }
        numberFiles();
#endif
    }

    // The file at the path goes, whoever does it.
    static void unlinkFile(void)
    {
        int unused = PATH + 1;
        for (int p = 0; p < EVERYBODY; ++p) {
            if (now.who[p].file >= unused)
                unused = now.who[p].file + 1;
            if (now.who[p].old >= unused)
                unused = now.who[p].old + 1;
        }
        for (int p = 0; p < EVERYBODY; ++p) {
            if (now.who[p].file == PATH) {
                now.who[p].file = unused;
                now.who[p].lost = holds(p) || now.who[p].at == draw_unlockGate || now.who[p].at == acquire_unlockOld;
            }
            if (now.who[p].old == PATH)
                now.who[p].old = unused;
        }
        now.linked = 0;
    }

    // Service in the order of the queue, also where it moves to another file.

    static void queueUp(int p)
    {
        for (int q = 0; q < TICKETS; ++q) {
            const int ahead = now.who[q].old == now.who[p].file
                || (now.who[q].file == now.who[p].file && now.who[q].ticket != NONE && !holds(q));
            if (q != p && ahead)
                now.behind[p] |= 1 << q;
        }
    }

    static void lockNextTicket(int p)
    {
        int next = 0;
#ifndef WITHOUT_HIGHEST
        for (int q = 0; q < EVERYBODY; ++q) {
            if (q == p)
                continue;
            if (now.who[q].file == now.who[p].file && now.who[q].ticket != NONE && now.who[q].ticket >= next)
                next = now.who[q].ticket + 1;
            if (now.who[q].old == now.who[p].file && now.who[q].oldTicket >= next)
                next = now.who[q].oldTicket + 1;
        }
#else // the lowest that is free
        for (int q = 0; q < EVERYBODY; ++q) {
            if (q != p && locksTicket(q, now.who[p].file, next)) {
                ++next;
                q = -1;
            }
        }
#endif
        now.who[p].ticket = next;
        queueUp(p);
    }

    static void noLongerAhead(int p)
    {
        for (int q = 0; p < TICKETS && q < TICKETS; ++q)
            now.behind[q] &= ~(1 << p);
    }

    // Keeps the file open.
    static void unlockAll(int p)
    {
        struct Participant nobody = {.file = now.who[p].file, .ticket = NONE, .oldTicket = NONE};
#ifdef SERVICE
        nobody.fickle = now.who[p].fickle;
#endif
        now.who[p] = nobody;
        noLongerAhead(p);
        if (p < TICKETS)
            now.behind[p] = 0;
    }
}

// The steps ---------------------------------------------------------------------------------------------------------

// The precautions.
#ifndef WITHOUT_CHECK_IN_DRAW
#define drawFindsIt(p) (who[p].file == PATH)
#else
#define drawFindsIt(p) true
#endif
#ifndef WITHOUT_CHECK_AFTER_WAIT
#define waitFindsIt(p) (who[p].file == PATH)
#else
#define waitFindsIt(p) true
#endif
#ifndef WITHOUT_CHECK_IN_TRY
#define tryFindsIt(p) (who[p].file == PATH)
#else
#define tryFindsIt(p) true
#endif
#ifndef WITHOUT_CHECK_IN_REMOVAL
#define removalFindsIt(p) (who[p].file == PATH)
#else
#define removalFindsIt(p) true
#endif
#ifndef WITHOUT_LOOK_IN_REMOVAL
#define removalFindsNobody(p) can(ticketsAreAllFree)
#else
#define removalFindsNobody(p) true
#endif
#ifndef WITHOUT_GATE_IN_REMOVAL
#define removalGetsGate(p) can(gateIsFree)
#else
#define removalGetsGate(p) true
#endif
#ifndef WITHOUT_SECOND_WAIT
#define afterFirstWait awaitTurn_second
#else
#define afterFirstWait acquire_checkPath
#endif
#ifndef WITHOUT_PATIENCE
#define afterTicket remove_tryLock
#else
#define afterTicket remove_tryLockOnce
#endif

// Fairness makes who can always give up do so in the end, and then nobody could be seen to starve. So there each decides
// beforehand, and who is not fickle has to be served.
#ifdef SERVICE
#define mayGiveUp(p) who[p].fickle
#define decideAnew(p) who[p].fickle = 0
#else
#define mayGiveUp(p) true
#define decideAnew(p) skip
#endif

#define at(p) who[p].at
#define can(lock) c_expr { (lock(Pparticipant->p)) }

inline unlockAndClose(p)
{
    c_code { unlockAll(Pparticipant->p); };
    who[p].file = 0;
    decideAnew(p);
    at(p) = idle
}

inline open(p, next)
{
    who[p].file = PATH;
    linked = 1;
    at(p) = next
}

inline unlinkPath()
{
    if
    :: linked ->
        c_code { unlinkFile(); };
        crashed(0)
    :: else
    fi
}

// The lock is its own from here on.
inline hold(p, next)
{
    assert(can(beforeIsFree));
    if
    :: isTicket(p) ->
        assert(behind[p] == 0);
        c_code { noLongerAhead(Pparticipant->p); }
    :: else
    fi;
    at(p) = next
}

// With the locks gone: removes the file or not. Here each who leaves decides anew.
inline tidyUp(p, next)
{
    c_code { unlockAll(Pparticipant->p); };
    if
    :: who[p].file == PATH && next == remove_tryLock -> crashed(0)
    :: else
    fi;
    if
    :: at(p) = next
#ifndef ALL_REMOVE
    :: unlockAndClose(p)
#endif
    fi
}

// The file went from under it: it opens another. Without a queue to leave it is as good as new.
inline startOver(p)
{
    if
    :: isTicket(p) && who[p].old != 0 ->
        who[p].file = 0;
        who[p].tickets = 0;
        who[p].gate = 0;
        at(p) = draw_open
    :: else -> unlockAndClose(p)
    fi
}

// The draw is done.
inline drawn(p)
{
    if
    :: who[p].old != 0 -> at(p) = acquire_unlockOld
    :: else -> awaitTurn(p)
    fi
}

inline lockTicket(p)
{
    c_code { lockNextTicket(Pparticipant->p); };
#ifndef WITHOUT_HIGHEST
    if
    :: true
    :: who[p].ticket++ // another, just above, has gone since
    fi;
#endif
    at(p) = draw_unlockGate
}

// With the ticket drawn.
inline awaitTurn(p)
{
    if
    :: who[p].ticket == 0 -> hold(p, holding)
    :: else ->
        who[p].lost = 0; // it will look at the path again
        at(p) = awaitTurn_first
    fi
}

inline step(p)
{
    if
#ifdef SERVICE
    :: at(p) == idle && !who[p].fickle -> who[p].fickle = 1
#endif
    // TicketLock::draw()
    :: (at(p) == idle && isTicket(p)) || at(p) == draw_open -> open(p, draw_tryLock)
    :: at(p) == draw_tryLock ->
        if
        :: can(allIsFree) ->
            who[p].tickets = 1;
            who[p].gate = 1;
            at(p) = draw_checkPath
        :: else -> at(p) = draw_await
        fi
    :: at(p) == draw_await && can(gateIsFree) ->
        who[p].gate = 1;
        at(p) = draw_checkPath
    :: at(p) == draw_checkPath ->
        if
        :: !drawFindsIt(p) -> startOver(p)
        :: drawFindsIt(p) && who[p].tickets -> hold(p, draw_unlockRest)
        :: drawFindsIt(p) && !who[p].tickets -> lockTicket(p)
        fi
    :: at(p) == draw_unlockRest ->
        who[p].ticket = 0;
        who[p].tickets = 0;
        who[p].gate = 0;
        drawn(p)
    :: at(p) == draw_unlockGate ->
        who[p].gate = 0;
        drawn(p)

    // TicketLock::acquire() and awaitTurn()
    :: at(p) == acquire_unlockOld ->
        who[p].old = 0;
        who[p].oldTicket = NONE;
        awaitTurn(p)
    :: at(p) == awaitTurn_first && can(firstIsFree) -> at(p) = afterFirstWait
    :: at(p) == awaitTurn_second && can(beforeIsFree) -> at(p) = acquire_checkPath
    :: at(p) == acquire_checkPath ->
        if
        :: waitFindsIt(p) -> hold(p, holding)
        :: else ->
#ifndef WITHOUT_OLD_TICKET
            who[p].old = who[p].file;
            who[p].oldTicket = who[p].ticket;
#endif
            who[p].file = 0;
            who[p].ticket = NONE;
            at(p) = draw_open
        fi

    // TicketLock::tryAcquire()
    :: at(p) == idle && p == TRY -> open(p, tryAcquire_tryLock)
    :: at(p) == tryAcquire_tryLock ->
        if
        :: can(allIsFree) ->
            who[p].tickets = 1;
            who[p].gate = 1;
            at(p) = tryAcquire_checkPath
        :: !can(ticketsAreAllFree) -> at(p) = tryAcquire_checkPath
        :: can(ticketsAreAllFree) && !can(gateIsFree) -> tidyUp(p, remove_tryLockOnce) // its patience is at an end
        :: else -> skip
        fi
    :: at(p) == tryAcquire_checkPath ->
        if
        :: tryFindsIt(p) && who[p].tickets -> hold(p, tryAcquire_unlockRest)
        :: else -> unlockAndClose(p) // starts over, or somebody holds it
        fi
    :: at(p) == tryAcquire_unlockRest ->
        who[p].ticket = 0;
        who[p].tickets = 0;
        who[p].gate = 0;
        at(p) = holding

    // TicketLock::leave(), remove() and removeInGate()
    :: at(p) == holding -> tidyUp(p, afterTicket)
#ifndef NO_CANCEL
#ifndef WITHOUT_TIDY_CANCEL
    :: (at(p) == awaitTurn_first || at(p) == awaitTurn_second) && mayGiveUp(p) -> tidyUp(p, afterTicket)
#else
    :: (at(p) == awaitTurn_first || at(p) == awaitTurn_second) && mayGiveUp(p) -> unlockAndClose(p)
#endif
    :: at(p) == draw_await && mayGiveUp(p) -> tidyUp(p, remove_tryLockOnce)
    :: at(p) == draw_open && mayGiveUp(p) -> unlockAndClose(p)
#endif
    :: at(p) == remove_tryLock && !removalGetsGate(p) && !can(ticketsAreAllFree) -> unlockAndClose(p)
    :: at(p) == remove_tryLockOnce && !removalGetsGate(p) -> unlockAndClose(p)
    :: (at(p) == remove_tryLock || at(p) == remove_tryLockOnce) && removalGetsGate(p) ->
        who[p].gate = can(gateIsFree);
        at(p) = removeInGate_findLock
#ifdef STOPS
    :: at(p) == remove_tryLock && !can(gateIsFree) -> unlockAndClose(p) // its patience is at an end
#endif
    :: at(p) == removeInGate_findLock ->
        if
        :: removalFindsNobody(p) && removalFindsIt(p) -> at(p) = removeInGate_unlink
        :: else -> at(p) = remove_unlock
        fi
    :: at(p) == removeInGate_unlink ->
        // What lies there now may be a new file: an outsider has taken the one that it looked at, and nobody can prevent that.
        assert(who[p].file != PATH || can(ticketsAreAllFree));
        assert(who[p].file == PATH || struck);
        at(p) = remove_unlock;
        unlinkPath()
    :: at(p) == remove_unlock -> unlockAndClose(p)

    // A whole-file peer
    :: at(p) == idle && p == PEER -> open(p, peer_lock)
    :: at(p) == peer_lock && can(allIsFree) ->
        who[p].tickets = 1;
        who[p].gate = 1;
        at(p) = peer_checkPath
    :: at(p) == peer_checkPath ->
        if
        :: who[p].file == PATH -> hold(p, peer_holding)
        :: else -> unlockAndClose(p) // starts over
        fi
    :: at(p) == peer_holding ->
        if
        :: at(p) = peer_close;
           unlinkPath()
#ifndef ALL_REMOVE
        :: unlockAndClose(p)
#endif
        fi
    :: at(p) == peer_close -> unlockAndClose(p)

#ifndef NO_CRASH
    :: at(p) != idle && at(p) != stopped && mayGiveUp(p) ->
        unlockAndClose(p);
        crashed(1)
#endif
#ifdef STOPS
    :: who[p].gate && !who[p].tickets && who[p].ticket == NONE && who[p].old == 0 && !somebodyStopped ->
        at(p) = stopped;
        somebodyStopped = 1
#endif
#ifndef SERVICE
    :: else
#endif
    fi
}

inline check()
{
#ifdef TRACE
    c_code { show(); };
#endif
    assert(!c_expr { (twoHold()) });
    assert(!c_expr { (holdsElsewhere()) });
    assert(!c_expr { (stuck()) });
#ifdef ALL_REMOVE
    assert(!linked || littered || !c_expr { (allIdle()) });
#endif
    c_code { nameAnew(); }
}

#ifdef SERVICE
#define waits (!who[0].fickle && (who[0].at == awaitTurn_first || who[0].at == awaitTurn_second))
ltl whoWaitsIsServed { [] (waits -> <> !waits) } // and then holds, since no file is removed under a ticket here

proctype participant(byte p)
{
    do
    :: atomic {
        step(p);
        check()
    }
    od
}

init
{
    atomic {
        c_code {
            for (int i = 0; i < EVERYBODY; ++i)
                unlockAll(i);
        };
        run participant(0);
        run participant(1);
#if TICKETS > 2
        run participant(2);
#endif
#if TICKETS > 3
        run participant(3);
#endif
#ifndef TICKETS_ALONE
        run participant(TRY);
        run participant(PEER)
#endif
    }
}
#else
active proctype participant() // each of them, one after the other
{
    byte p;
    c_code {
        for (int i = 0; i < EVERYBODY; ++i)
            unlockAll(i);
    };
    do
    :: atomic {
        if
        :: p = 0
        :: p = 1
        :: p = 2
        :: p = 3
#if TICKETS > 2
        :: p = 4
#endif
#if TICKETS > 3
        :: p = 5
#endif
        fi;
        step(p);
        p = 0;
        check()
    }
#ifndef NO_OUTSIDER
    :: atomic { linked && !struck ->
        struck = 1;
        unlinkPath();
        check()
    }
#endif
    od
}
#endif
