// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See server-board.h. */

#include "net/server-board.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/shared-words.h"

/* By so much the two clocks may have been read apart when the machine is busy. A smaller step is found by the
 * event loop, which posts every second. */
#define STEP_MIN (NSEC_PER_SEC / 200)

typedef struct Notice {
    Now at;
    ServerSnapshot snapshot;
} Notice;

static_assert(sizeof(Notice) % sizeof(uint64_t) == 0 && sizeof(Notice) <= SHARED_WORDS_MAX * sizeof(uint64_t),
              "it is read word by word");

struct ServerBoard {
    SharedWords notice;
    int alarm;
};

int server_board_new(ServerBoard **ret)
{
    ServerBoard *board = calloc(1, sizeof *board);

    if (!board)
        return -ENOMEM;
    board->alarm = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (board->alarm < 0) {
        int r = -errno;
        free(board);
        return r;
    }
    *ret = board;
    return 0;
}

ServerBoard *server_board_free(ServerBoard *board)
{
    if (!board)
        return NULL;
    close(board->alarm);
    free(board);
    return NULL;
}

void server_board_post(ServerBoard *board, Now now, const ServerSnapshot *snapshot)
{
    const Notice notice = {.at = now, .snapshot = *snapshot};

    shared_words_write(&board->notice, &notice, sizeof notice);
}

void server_board_read(const ServerBoard *board, Now now, ServerSnapshot *ret)
{
    Notice notice;

    shared_words_read(&board->notice, &notice, sizeof notice);
    int64_t step = (now.raw.ns - now.mono.ns) - (notice.at.raw.ns - notice.at.mono.ns);
    if (step > STEP_MIN || step < -STEP_MIN) {
        notice.snapshot.valid_from = INT64_MAX;
        (void) eventfd_write(board->alarm, 1);
    }
    *ret = notice.snapshot;
}

int server_board_alarm(const ServerBoard *board)
{
    return board->alarm;
}
