// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Small files whose content is not trusted: read with bounds, replaced as a whole. */

#include <stddef.h>
#include <sys/types.h>

#include "base/macros.h"

/* Reads a whole file of less than `size` bytes and terminates it with a zero byte. Never waits: -ELOOP for a
 * symbolic link, -EINVAL for anything but a regular file, -EFBIG when it is longer. */
int file_read_small(const char *path, char *buffer, size_t size, size_t *ret_length) must_check_;

/* Writes "<path>.tmp" anew and renames it to path, so that there is the old content or the new one, nothing
 * in between. A failure leaves path as it was; -EEXIST when that is a device, a directory or a FIFO. */
/* mode: exactly this, whatever the umask. */
int file_replace(const char *path, const void *data, size_t length, mode_t mode) must_check_;
