#ifndef BROKER_GATE_H
#define BROKER_GATE_H

#include "keys.h"
#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

/* Who may come in and what he may do. With a folder of keys (keyring.h) the gate answers ZAP (RFC
 * 27) in a thread of its own, so that a busy loop never holds up a handshake, and follows the
 * folder: a change counts within GATE_LOOK_MS. ZAP is asked once, at the handshake; so each message
 * is judged anew by the user number that libzmq put on it ("User-Id"), which no peer can choose.
 *
 * A user number stands for one key as long as the process lives; a key that comes back after it was
 * revoked has its old one. Without a folder everybody is the user "local", with the roles given. */

#define GATE_LOOK_MS 250
#define GATE_LOCAL   "local"

struct gate;

/* `changed` is called from the gate's thread when somebody's rights, or the broker's key, are
 * others than before. Must be open before the socket is bound. */
typedef void gate_changed_fn(void *arg);
int gate_open(void *zmq_ctx, const char *folder, gate_changed_fn *changed, void *arg,
              struct gate **out, struct err *err);
struct gate *gate_local(unsigned roles);
/* Ends the thread; questions are still answered. */
void gate_stop(struct gate *g);
/* Before zmq_ctx_term. */
void gate_close(struct gate *g);

/* The user who sent this frame, whether or not he still may; 0: it carries none. */
uint32_t gate_user(struct gate *g, zmq_msg_t *frame);

/* His roles now; 0: revoked or nobody. Of an admin: those of a client too. */
unsigned gate_roles(struct gate *g, uint32_t user);
void gate_name(struct gate *g, uint32_t user, char out[KEY_NAME_MAX + 1]);

/* The broker's own key, as last read; counts up when another one is there. */
unsigned gate_key(struct gate *g, struct key *key);

/* While it is on, the broker itself knocks (door_self_test): refusals are neither told nor counted.
 */
void gate_trial(struct gate *g, bool on);

/* How often strangers were refused. */
uint64_t gate_refusals(struct gate *g);

#endif
