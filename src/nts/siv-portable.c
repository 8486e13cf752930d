// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See siv.h: stands in where there is nothing native. */

#include "nts/siv.h"

const SivCipher *siv_native(void)
{
    return NULL;
}
