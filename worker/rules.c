/* See rules.h. */
#include "rules.h"

#include "number.h"
#include <stdio.h>
#include <string.h>

enum { CALM_MS = 5000 };

static const struct {
    const char *name, *unit; /* unit NULL: it has no threshold */
    double otherwise, least, most;
} RULES[RULE_COUNT] = {
    [RULE_OWNER] = {"owner", "s", 60, 1, 86400}, [RULE_LOAD] = {"load", "%", 50, 1, 100},
    [RULE_CPU] = {"cpu", "%", 50, 1, 100},       [RULE_MEMORY] = {"memory", "%", 10, 1, 100},
    [RULE_BATTERY] = {"battery", NULL, 0, 0, 0}, [RULE_CORE] = {"core", NULL, 0, 0, 0},
};

static bool is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

static int refuse(const char *text, size_t len, const char *why, struct err *err)
{
    err_set(err, ERR_USAGE, "--yield: %s \"%.*s\"", why, (int)(len < 40 ? len : 40), text);
    return err_hint(err, "a list of owner=60s, load=50%%, cpu=50%%, memory=10%%, battery, core; or "
                         "all, or none");
}

static int parse_threshold(enum rule rule, const char *text, size_t len, double *out)
{
    double value = 0;
    size_t n = number_parse(text, len, 1, &value);
    const char *unit = RULES[rule].unit;
    if (!unit || n == 0 || !(value >= RULES[rule].least && value <= RULES[rule].most))
        return -1;
    if (n != len && !is_word(text + n, len - n, unit))
        return -1;
    *out = *unit == '%' ? value / 100 : value;
    return 0;
}

static void use(struct rules *rules, enum rule rule)
{
    const char *unit = RULES[rule].unit;
    rules->used[rule] = true;
    rules->threshold[rule] = RULES[rule].otherwise / (unit && *unit == '%' ? 100 : 1);
}

static int parse_one(struct rules *rules, const char *text, size_t len, struct err *err)
{
    const char *equals = memchr(text, '=', len);
    size_t name = equals ? (size_t)(equals - text) : len;
    for (int r = 0; r < RULE_COUNT; r++) {
        if (!is_word(text, name, RULES[r].name))
            continue;
        use(rules, (enum rule)r);
        if (equals &&
            parse_threshold((enum rule)r, equals + 1, len - name - 1, &rules->threshold[r]))
            return refuse(text, len, "not a threshold:", err);
        return 0;
    }
    return refuse(text, len, "there is no rule", err);
}

int rules_parse(const char *text, struct rules *rules, struct err *err)
{
    *rules = (struct rules){0};
    if (strcmp(text, "none") == 0)
        return 0;
    if (strcmp(text, "all") == 0) {
        for (int r = 0; r < RULE_COUNT; r++)
            use(rules, (enum rule)r);
        return 0;
    }
    for (;;) {
        size_t len = strcspn(text, ",");
        if (parse_one(rules, text, len, err))
            return -1;
        if (text[len] == '\0')
            return 0;
        text += len + 1;
    }
}

bool rules_any(const struct rules *rules)
{
    for (int r = 0; r < RULE_COUNT; r++)
        if (rules->used[r] && r != RULE_CORE)
            return true;
    return false;
}

static bool holds(const struct rules *rules, enum rule rule, const struct signs *s)
{
    double threshold = rules->threshold[rule];
    switch (rule) {
    case RULE_OWNER:
        return s->owner_idle_s < threshold;
    case RULE_LOAD:
        return s->others > threshold;
    case RULE_CPU:
        return s->cpu_wait > threshold;
    case RULE_MEMORY:
        return s->memory_wait > threshold;
    case RULE_BATTERY:
        return s->on_battery;
    case RULE_CORE: /* each solver thread's own business */
    case RULE_COUNT:
        break;
    }
    return false;
}

static void say_why(struct rules *rules, enum rule rule, const struct signs *s)
{
    char *out = rules->reason;
    size_t size = sizeof rules->reason;
    switch (rule) {
    case RULE_OWNER:
        snprintf(out, size, "its owner is at work");
        break;
    case RULE_LOAD:
        snprintf(out, size, "other programs use %.0f%% of its processor", 100 * s->others);
        break;
    case RULE_CPU:
        snprintf(out, size, "programs wait for its processor %.0f%% of the time",
                 100 * s->cpu_wait);
        break;
    case RULE_MEMORY:
        snprintf(out, size, "programs wait for its memory %.0f%% of the time",
                 100 * s->memory_wait);
        break;
    case RULE_BATTERY:
        snprintf(out, size, "it runs on its battery");
        break;
    case RULE_CORE:
    case RULE_COUNT:
        break;
    }
}

const char *rules_judge(struct rules *rules, const struct signs *signs, int64_t now_ms)
{
    for (int r = 0; r < RULE_COUNT; r++) {
        if (!rules->used[r] || !holds(rules, (enum rule)r, signs))
            continue;
        if (!rules->resting)
            say_why(rules, (enum rule)r, signs);
        rules->resting = true;
        rules->held_ms = now_ms;
        return rules->reason;
    }
    if (rules->resting && now_ms - rules->held_ms >= CALM_MS)
        rules->resting = false;
    return rules->resting ? rules->reason : NULL;
}
