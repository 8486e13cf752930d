// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* pkttyagent as a child; see agent.h. It closes the descriptor that it is given when it is registered. */

#include "ctl/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"

#define REGISTRATION_TIMEOUT_MS 5000

static void run_agent(pid_t parent, int ready)
{
    char process[32], descriptor[32];

    snprintf(process, sizeof(process), "%d", (int) parent);
    snprintf(descriptor, sizeof(descriptor), "%d", ready);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    /* In a session the desktop's agent comes first; polkit takes no fallback from a process without one. */
    const char *fallback = getenv("XDG_SESSION_ID") ? "--fallback" : NULL;
    if (getppid() == parent && fcntl(ready, F_SETFD, 0) >= 0)
        execlp("pkttyagent", "pkttyagent", "--process", process, "--notify-fd", descriptor, fallback,
               (char *) NULL);
    _exit(127);
}

/* Returns when the other end of the pipe is closed: registered, or dead. */
static void wait_for_hangup(int fd)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};

    while (poll(&pollfd, 1, REGISTRATION_TIMEOUT_MS) < 0 && errno == EINTR)
        ;
}

pid_t agent_start(void)
{
    int fds[2];

    if (geteuid() == 0 || !isatty(STDIN_FILENO) || pipe2(fds, O_CLOEXEC) < 0)
        return 0;

    fflush(stdout);
    pid_t parent = getpid(), agent = fork();
    if (agent == 0)
        run_agent(parent, fds[1]);
    close(fds[1]);
    if (agent > 0)
        wait_for_hangup(fds[0]);
    close(fds[0]);
    return MAX(agent, 0);
}

void agent_stop(pid_t agent)
{
    if (agent <= 0)
        return;
    kill(agent, SIGTERM);
    kill(agent, SIGCONT);
    while (waitpid(agent, NULL, 0) < 0 && errno == EINTR)
        ;
}
