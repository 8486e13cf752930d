// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* A pager as a child; see pager.h. Shell escapes of less are switched off: timectl is run with sudo. */

#include "ctl/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/text.h"

/* Shows the input as it is, when no pager can be run. */
static void copy_input(void)
{
    char buffer[4096];
    ssize_t n;

    while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0)
        if (write(STDOUT_FILENO, buffer, (size_t) n) != n)
            return;
}

static const char *pager_command(void)
{
    const char *command = getenv("SYSTEMD_PAGER");

    return command ? command : getenv("PAGER");
}

static void run_pager(const char *command, int input)
{
    dup2(input, STDIN_FILENO);
    setenv("LESS", "FRSXMK", 1);
    setenv("LESSSECURE", "1", 1);
    if (command)
        execlp("sh", "sh", "-c", command, (char *) NULL);
    else
        execlp("less", "less", (char *) NULL);
    copy_input();
    _exit(0);
}

pid_t pager_start(void)
{
    const char *command = pager_command();
    int fds[2];

    if (!isatty(STDOUT_FILENO) || text_equal(command, "") || text_equal(command, "cat") ||
        pipe2(fds, O_CLOEXEC) < 0)
        return 0;

    fflush(stdout);
    pid_t pager = fork();
    if (pager == 0)
        run_pager(command, fds[0]);
    if (pager > 0)
        dup2(fds[1], STDOUT_FILENO);
    close(fds[0]);
    close(fds[1]);
    return MAX(pager, 0);
}

void pager_finish(pid_t pager)
{
    if (pager <= 0)
        return;
    fflush(stdout);
    close(STDOUT_FILENO);
    while (waitpid(pager, NULL, 0) < 0 && errno == EINTR)
        ;
}
