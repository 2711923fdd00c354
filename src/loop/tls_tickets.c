/*
 * Ticket keys (RFC 5077 4, 5.5): random, changed every TLS_TICKET_S and kept for as long again, in
 * memory only, so that a ticket says nothing to whoever takes the machine a day later. A lock, for
 * loops share them; a handshake takes it once or twice.
 */
#include "base/mem.h"
#include "loop/tls_internal.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define KEY_NAME_BYTES 16
#define KEY_BYTES 32
#define IV_BYTES 16 /* of AES-CBC */
#define NS_PER_S UINT64_C(1000000000)

struct ticket_key {
    uint8_t name[KEY_NAME_BYTES];
    uint8_t cipher[KEY_BYTES];
    uint8_t mac[KEY_BYTES];
    uint64_t made_ns; /* monotonic */
};

struct tls_tickets {
    _Atomic unsigned refs;
    struct clock *clock; /* borrowed */
    pthread_mutex_t lock;
    struct ticket_key keys[2]; /* the sealing one, and the one before */
};

static void key_make(struct ticket_key *k, uint64_t now_ns)
{
    int ok = RAND_bytes(k->name, sizeof k->name) == 1 &&
             RAND_priv_bytes(k->cipher, sizeof k->cipher) == 1 &&
             RAND_priv_bytes(k->mac, sizeof k->mac) == 1;
    ASSERT(ok); /* the system has no randomness: no TLS either */
    k->made_ns = now_ns;
}

struct tls_tickets *tls_tickets_new(struct clock *clock)
{
    struct tls_tickets *t = mem_calloc(1, sizeof *t);
    t->refs = 1;
    t->clock = clock;
    pthread_mutex_init(&t->lock, NULL);
    key_make(&t->keys[0], clock_mono_ns(clock));
    key_make(&t->keys[1], clock_mono_ns(clock)); /* nobody has anything sealed with it */
    return t;
}

struct tls_tickets *tls_tickets_ref(struct tls_tickets *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void tls_tickets_unref(struct tls_tickets *t)
{
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) {
        pthread_mutex_destroy(&t->lock);
        explicit_bzero(t->keys, sizeof t->keys);
        mem_free(t);
    }
}

/* Both keys as they are now; a key that has not sealed for two periods opens nothing. */
static void keys_now(struct tls_tickets *t, struct ticket_key out[2])
{
    uint64_t now_ns = clock_mono_ns(t->clock);
    pthread_mutex_lock(&t->lock);
    uint64_t age_s = (now_ns - t->keys[0].made_ns) / NS_PER_S;
    if (age_s >= TLS_TICKET_S) {
        t->keys[1] = t->keys[0];
        key_make(&t->keys[0], now_ns);
    }
    if (age_s >= 2 * (uint64_t)TLS_TICKET_S) {
        key_make(&t->keys[1], now_ns);
    }
    memcpy(out, t->keys, sizeof t->keys);
    pthread_mutex_unlock(&t->lock);
}

static bool mac_init(EVP_MAC_CTX *mac, struct ticket_key *k)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac, sizeof k->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int key_use(struct ticket_key *k, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
                   EVP_MAC_CTX *mac, bool seal)
{
    int ok = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->cipher, iv, seal ? 1 : 0);
    return ok == 1 && mac_init(mac, k) ? 1 : -1;
}

int tls_tickets_seal(struct tls_tickets *t, unsigned char name[16], unsigned char *iv,
                     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool seal)
{
    struct ticket_key keys[2];
    int rc = 0;
    keys_now(t, keys);
    if (seal) {
        memcpy(name, keys[0].name, KEY_NAME_BYTES);
        rc = RAND_bytes(iv, IV_BYTES) == 1 ? key_use(&keys[0], iv, cipher, mac, true) : -1;
    } else if (memcmp(name, keys[0].name, KEY_NAME_BYTES) == 0) {
        rc = key_use(&keys[0], iv, cipher, mac, false);
    } else if (memcmp(name, keys[1].name, KEY_NAME_BYTES) == 0) {
        rc = key_use(&keys[1], iv, cipher, mac, false);
    }
    explicit_bzero(keys, sizeof keys);
    return rc;
}
