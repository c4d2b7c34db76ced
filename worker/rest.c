/* When the worker rests, by the broker's wish or by its own rules, and how much of its threads'
 * time it may use. What is not solved goes back at once, so that others have it; solved answers
 * stay until they are acknowledged. */
#include "talk_private.h"

#include "log.h"
#include <stdio.h>
#include <string.h>

void talk_give_back(struct talk *t, const char *reason)
{
    struct wire_holding run;
    size_t runs = 0;
    for (; hand_give_back(t->hand, &run); runs++)
        say_return(t, &run, reason);
    if (runs > 0)
        log_info("gave unsolved work back runs=%zu reason=\"%s\"", runs, reason);
}

const char *talk_resting(const struct talk *t)
{
    if (t->paused)
        return "paused";
    return t->rest[0] ? t->rest : NULL;
}

void talk_pause(struct talk *t, bool paused)
{
    if (t->paused == paused)
        return;
    t->paused = paused;
    log_info("%s by the broker", paused ? "paused" : "resumed");
    if (paused)
        talk_give_back(t, "paused");
}

void talk_limit(struct talk *t, uint8_t percent)
{
    if (percent == t->limit_percent)
        return;
    t->limit_percent = percent;
    double share = percent > 0 && percent < 100 ? percent / 100.0 : 1;
    pool_limit(t->pool, share < t->config.share ? share : t->config.share);
}

/* Nothing given back: only why. */
void talk_say_rest(struct talk *t)
{
    struct wire_holding nothing = {0};
    say_return(t, &nothing, t->rest);
}

void talk_rest(struct talk *t, const char *reason)
{
    if (strcmp(t->rest, reason ? reason : "") == 0)
        return;
    snprintf(t->rest, sizeof t->rest, "%s", reason ? reason : "");
    if (t->state == TALK_ENDED || t->state == TALK_LEAVING)
        return;
    if (reason)
        log_info("resting reason=\"%s\"", reason);
    else
        log_info("at work again");
    if (t->state == TALK_JOINED)
        talk_say_rest(t);
    if (reason)
        talk_give_back(t, reason);
}
