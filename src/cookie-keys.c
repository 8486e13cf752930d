// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See cookie-keys.h.
 *
 * With rotation the keys are ours: written down when they change, once a day and at the end, so that their
 * age, which is the time that we have run with them, is not forgotten. Without it they are somebody else's:
 * the file is read when it changes and never written. */

#include "cookie-keys.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/instant.h"
#include "file-watch.h"
#include "notify.h"

#define FILE_NAME     "ntskeys"
/* Between two times of writing the age down, s. */
#define SAVE_INTERVAL (24 * 3600)
#define USEC          UINT64_C(1000000)

struct CookieKeys {
    CookieKeysSetup setup;
    CookieRing *ring;
    char *path; /* owned; NULL: no file */
    bool wanted;
    int32_t rotate;
    double made;      /* CLOCK_MONOTONIC when the newest key was, s; may be negative */
    FileWatch *watch; /* of somebody else's file */
    sd_event_source *timer;
};

static double now_s(void)
{
    struct timespec now = {};

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

static double age_of(const CookieKeys *keys)
{
    return MAX(now_s() - keys->made, 0.0);
}

bool cookie_keys_are_there(const CookieKeys *keys)
{
    return cookie_ring_has_keys(keys->ring);
}

CookieJar cookie_keys_jar(const CookieKeys *keys)
{
    return cookie_ring_jar(keys->ring);
}

/* --- keeping --- */

static void save(CookieKeys *keys)
{
    char text[COOKIE_RING_TEXT_MAX];

    if (!keys->wanted || keys->rotate == 0)
        return;
    size_t length = cookie_ring_format(keys->ring, age_of(keys), text);
    if (length == 0)
        return;
    int r = keys->path ? file_replace(keys->path, text, length, 0600) : 0;
    if (r < 0)
        journal_print(keys->setup.journal, LOG_LEVEL_ERROR,
                      "Could not write %s: %s; after a restart clients of the NTS server will need new keys",
                      keys->path, strerror(-r));
    notify_store(COOKIE_KEYS_STORED, text, length);
    explicit_bzero(text, sizeof text);
}

static int parse(CookieKeys *keys, const char *text, size_t length)
{
    double age;

    if (!cookie_ring_parse(keys->ring, text, length, &age))
        return -EBADMSG;
    keys->made = now_s() - age;
    return 0;
}

static int load_file(CookieKeys *keys)
{
    char text[COOKIE_RING_TEXT_MAX];
    size_t length;

    if (!keys->path)
        return -ENOENT;
    int r = file_read_small(keys->path, text, sizeof text, &length);
    if (r >= 0)
        r = parse(keys, text, length);
    explicit_bzero(text, sizeof text);
    return r;
}

static int load_stored(CookieKeys *keys)
{
    char text[COOKIE_RING_TEXT_MAX];

    if (keys->setup.stored < 0)
        return -ENOENT;
    ssize_t length = pread(keys->setup.stored, text, sizeof text, 0);
    int r = length < 0 ? -errno : parse(keys, text, (size_t) length);
    explicit_bzero(text, sizeof text);
    return r;
}

static const char *problem_text(int error)
{
    return error == -EBADMSG  ? "it does not hold four keys of a cipher that we have"
           : error == -ELOOP  ? "it is a symbolic link"
           : error == -EFBIG  ? "it is too long"
           : error == -EINVAL ? "it is not a regular file"
                              : strerror(-error);
}

/* Whoever may read it can make cookies, and with them speak as any of our clients. */
static void check_mode(const CookieKeys *keys)
{
    struct stat status;

    if (stat(keys->path, &status) == 0 && (status.st_mode & (S_IRWXO | S_IWGRP)))
        journal_print(keys->setup.journal, LOG_LEVEL_WARNING,
                      "%s should not be accessible to everybody (mode %04o; 0640 is good)", keys->path,
                      (unsigned) status.st_mode & 07777);
}

/* --- our own keys --- */

static void make(CookieKeys *keys)
{
    int r = cookie_ring_renew(keys->ring);

    if (r < 0) {
        journal_print(keys->setup.journal, LOG_LEVEL_ERROR, "Could not make keys for the NTS server: %s",
                      strerror(-r));
        return;
    }
    keys->made = now_s();
}

static void load_or_make(CookieKeys *keys)
{
    int r = load_file(keys);

    if (r < 0 && r != -ENOENT)
        journal_print(keys->setup.journal, LOG_LEVEL_WARNING, "%s is not used: %s", keys->path,
                      problem_text(r));
    if (r < 0)
        r = load_stored(keys);
    if (r < 0)
        make(keys);
}

static void arm(CookieKeys *keys)
{
    double left = MIN(MAX(keys->rotate - age_of(keys), 0.0), (double) SAVE_INTERVAL);

    (void) sd_event_source_set_time_relative(keys->timer, (uint64_t) (left * (double) USEC));
    (void) sd_event_source_set_enabled(keys->timer, SD_EVENT_ONESHOT);
}

static void rotate(CookieKeys *keys)
{
    int r = cookie_ring_rotate(keys->ring);

    if (r < 0) {
        journal_print(keys->setup.journal, LOG_LEVEL_ERROR, "Could not make a new key for the NTS server: %s",
                      strerror(-r));
        return;
    }
    keys->made = now_s();
    journal_print(keys->setup.journal, LOG_LEVEL_DEBUG, "The NTS server has a new key");
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    CookieKeys *keys = userdata;

    (void) source;
    (void) usec;
    if (age_of(keys) >= keys->rotate)
        rotate(keys);
    save(keys);
    arm(keys);
    return 0;
}

/* --- somebody else's --- */

static bool reload(CookieKeys *keys, Text *detail)
{
    bool had = cookie_keys_are_there(keys);
    int r = keys->path ? load_file(keys) : -EINVAL;

    if (r < 0 && !keys->path) {
        journal_print(keys->setup.journal, LOG_LEVEL_ERROR,
                      "ntsrotate 0 needs a file of keys for the NTS server, and no ntsdumpdir says where");
    } else if (r < 0) {
        journal_print(keys->setup.journal, LOG_LEVEL_ERROR,
                      "Could not read the keys of the NTS server from %s: %s", keys->path, problem_text(r));
        if (detail)
            text_append_format(detail, "%s: %s", keys->path, problem_text(r));
    } else {
        journal_print(keys->setup.journal, LOG_LEVEL_INFO, "Read the keys of the NTS server from %s",
                      keys->path);
        check_mode(keys);
    }
    if (had != cookie_keys_are_there(keys))
        keys->setup.on_changed(keys->setup.userdata);
    return r >= 0;
}

static void on_file_changed(void *userdata)
{
    (void) reload(userdata, NULL);
}

bool cookie_keys_reload(CookieKeys *keys, Text *detail)
{
    if (!keys->wanted || keys->rotate > 0)
        return true;
    if (keys->watch)
        file_watch_look(keys->watch);
    return reload(keys, detail);
}

/* --- the whole --- */

static int set_path(CookieKeys *keys, const char *folder)
{
    char path[PATH_MAX];
    int length = folder ? snprintf(path, sizeof path, "%s/%s", folder, FILE_NAME) : 0;

    if (length < 0 || (size_t) length >= sizeof path)
        return -ENAMETOOLONG;
    free(keys->path);
    keys->path = folder ? strdup(path) : NULL;
    return folder && !keys->path ? -ENOMEM : 0;
}

static int start(CookieKeys *keys)
{
    char *paths[] = {keys->path, NULL};

    if (keys->rotate > 0) {
        if (!cookie_keys_are_there(keys))
            load_or_make(keys);
        save(keys); /* where they are not kept yet */
        arm(keys);
        return 0;
    }
    (void) reload(keys, NULL);
    return file_watch_new(keys->setup.event, paths, on_file_changed, keys, &keys->watch);
}

static bool is_as_configured(const CookieKeys *keys, const CookieKeysConfig *config)
{
    size_t length = config->folder ? strlen(config->folder) : 0;
    bool same_path = config->folder && keys->path ? strncmp(keys->path, config->folder, length) == 0 &&
                                                        strcmp(keys->path + length, "/" FILE_NAME) == 0
                                                  : !config->folder && !keys->path;

    return keys->wanted == config->wanted && keys->rotate == config->rotate && same_path;
}

int cookie_keys_configure(CookieKeys *keys, const CookieKeysConfig *config)
{
    int r;

    if (is_as_configured(keys, config))
        return 0;
    keys->watch = file_watch_free(keys->watch);
    (void) sd_event_source_set_enabled(keys->timer, SD_EVENT_OFF);
    if ((r = set_path(keys, config->folder)) < 0)
        return r;
    keys->wanted = config->wanted;
    keys->rotate = config->rotate;
    if (!keys->wanted) {
        cookie_ring_clear(keys->ring);
        return 0;
    }
    return start(keys);
}

int cookie_keys_new(const CookieKeysSetup *setup, CookieKeys **ret)
{
    cleanup_(cookie_keys_freep) CookieKeys *keys = calloc(1, sizeof *keys);
    int r;

    if (!keys)
        return -ENOMEM;
    keys->setup = *setup;
    sd_event_ref(setup->event);
    if ((r = cookie_ring_new(&keys->ring)) < 0 ||
        (r = sd_event_add_time_relative(setup->event, &keys->timer, CLOCK_MONOTONIC, 0, USEC / 10, on_timer,
                                        keys)) < 0 ||
        (r = sd_event_source_set_enabled(keys->timer, SD_EVENT_OFF)) < 0)
        return r;
    *ret = TAKE_PTR(keys);
    return 0;
}

CookieKeys *cookie_keys_free(CookieKeys *keys)
{
    if (!keys)
        return NULL;
    if (keys->ring)
        save(keys);
    file_watch_free(keys->watch);
    sd_event_source_disable_unref(keys->timer);
    cookie_ring_free(keys->ring);
    sd_event_unref(keys->setup.event);
    free(keys->path);
    free(keys);
    return NULL;
}
