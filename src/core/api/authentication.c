// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See authentication.h. */

#include "core/api/authentication.h"

#include <string.h>

#include "base/macros.h"

const KeyTypeInfo KEY_TYPES[] = {
    {KEY_TYPE_MD5, "MD5", 16, 0},           {KEY_TYPE_SHA1, "SHA1", 20, 0},
    {KEY_TYPE_SHA256, "SHA256", 32, 0},     {KEY_TYPE_SHA384, "SHA384", 48, 0},
    {KEY_TYPE_SHA512, "SHA512", 64, 0},     {KEY_TYPE_SHA3_224, "SHA3-224", 28, 0},
    {KEY_TYPE_SHA3_256, "SHA3-256", 32, 0}, {KEY_TYPE_SHA3_384, "SHA3-384", 48, 0},
    {KEY_TYPE_SHA3_512, "SHA3-512", 64, 0}, {KEY_TYPE_AES128, "AES128", 16, 16},
    {KEY_TYPE_AES256, "AES256", 16, 32},    {0},
};

const KeyTypeInfo *key_type_find(const char *name)
{
    for (const KeyTypeInfo *info = KEY_TYPES; info->name; info++)
        if (strcmp(info->name, name) == 0)
            return info;
    return NULL;
}

const char *key_type_name(KeyType type)
{
    for (const KeyTypeInfo *info = KEY_TYPES; info->name; info++)
        if (info->type == type)
            return info->name;
    return "";
}

static const char *const modes[] = {
    [AUTHENTICATION_NONE] = "none",
    [AUTHENTICATION_SYMMETRIC] = "symmetric",
    [AUTHENTICATION_NTS] = "nts",
};

const char *authentication_mode_name(AuthenticationMode mode)
{
    return modes[mode];
}

AuthenticationMode authentication_mode_find(const char *name)
{
    for (size_t i = 0; i < ELEMENTS(modes); i++)
        if (strcmp(modes[i], name) == 0)
            return (AuthenticationMode) i;
    return AUTHENTICATION_NONE;
}
