// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* What our time is, posted by the event loop for worker threads to read. Nobody waits. */

#include "core/ntp/server.h"

typedef struct ServerBoard ServerBoard;

int server_board_new(ServerBoard **ret) must_check_;
ServerBoard *server_board_free(ServerBoard *board);
DEFINE_CLEANUP(ServerBoard, server_board_free);

/* now: for which the snapshot was made. By one thread only. */
void server_board_post(ServerBoard *board, Now now, const ServerSnapshot *snapshot);

/* What was posted last. When the clock was stepped since then, what is served would be wrong: then the
 * snapshot lets nothing be answered, and the alarm rings. */
void server_board_read(const ServerBoard *board, Now now, ServerSnapshot *ret);

/* An eventfd that is readable when somebody has to post anew; owned by the board. */
int server_board_alarm(const ServerBoard *board);
