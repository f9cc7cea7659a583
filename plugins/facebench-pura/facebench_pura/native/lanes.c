/* Eight residues modulo one modulus at a time, in radix 2^52, with AVX512-IFMA.
 *
 * Almost-Montgomery products: for a of `wide` limbs and b of `limbs` limbs, amm gives a b / 2^(52 limbs) mod M, below
 * 2 M, where M < 2^(52 wide - 2). A factor b of half the length costs half. Not constant-time: table entries are read
 * by secret digits.
 *
 * Nothing here is called where `available` is false; the functions that use the instructions carry them as a target
 * attribute, so the file compiles and loads on any x86-64 processor, and on others to a module that says no.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define LANES 1
#include <immintrin.h>
#else
#define LANES 0
#endif

#define MOST 160 /* limbs of a modulus: 8,318 bits */
#define PAD 8

#if LANES
#define IFMA __attribute__((target("avx512f,avx512ifma")))
#define INLINE static inline __attribute__((always_inline, target("avx512f,avx512ifma")))
typedef __m512i v8;
#define LO(sum, x, y) _mm512_madd52lo_epu64(sum, x, y)
#define HI(sum, x, y) _mm512_madd52hi_epu64(sum, x, y)
#define ADD(x, y) _mm512_add_epi64(x, y)
#define CARRY(x) _mm512_srli_epi64(x, 52)

/* Limbs of eight residues, zero for PAD vectors on either side. */
typedef struct {
  v8 all[MOST + 2 * PAD];
} padded;

typedef struct {
  padded modulus;
  v8 factor; /* -1 / M mod 2^52 in every lane */
  int wide;
} field;

/* a = a b / 2^(52 limbs): four limbs of b a pass; the window of a and M slides in registers. */
INLINE void amm(v8 *a, const v8 *b, const v8 *m, v8 k, int wide, int limbs) {
  v8 acc[MOST + PAD];
  const v8 zero = _mm512_setzero_si512();
  for (int i = 0; i < wide + 4; i++) acc[i] = zero;
  for (int at = 0; at < limbs; at += 4) {
    const v8 b0 = b[at], b1 = b[at + 1], b2 = b[at + 2], b3 = b[at + 3];
    const v8 a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3], m0 = m[0], m1 = m[1], m2 = m[2], m3 = m[3];
    /* The lowest four limbs decide the multiples q of M that clear them. */
    v8 t0 = LO(acc[0], a0, b0);
    v8 t1 = HI(LO(LO(acc[1], a1, b0), a0, b1), a0, b0);
    v8 t2 = HI(HI(LO(LO(LO(acc[2], a2, b0), a1, b1), a0, b2), a1, b0), a0, b1);
    v8 t3 = HI(HI(HI(LO(LO(LO(LO(acc[3], a3, b0), a2, b1), a1, b2), a0, b3), a2, b0), a1, b1), a0, b2);
    const v8 q0 = LO(zero, t0, k);
    t0 = LO(t0, m0, q0);
    t1 = ADD(HI(LO(t1, m1, q0), m0, q0), CARRY(t0));
    const v8 q1 = LO(zero, t1, k);
    t1 = LO(t1, m0, q1);
    t2 = ADD(HI(LO(HI(LO(t2, m2, q0), m1, q0), m1, q1), m0, q1), CARRY(t1));
    const v8 q2 = LO(zero, t2, k);
    t2 = LO(t2, m0, q2);
    t3 = ADD(HI(LO(HI(LO(HI(LO(t3, m3, q0), m2, q0), m2, q1), m1, q1), m1, q2), m0, q2), CARRY(t2));
    const v8 q3 = LO(zero, t3, k);
    t3 = LO(t3, m0, q3);
    v8 carry = CARRY(t3);
    v8 x1 = a3, x2 = a2, x3 = a1, x4 = a0, y1 = m3, y2 = m2, y3 = m1, y4 = m0;
    for (int p = 4; p < wide + 4; p++) {
      const v8 x0 = a[p], y0 = m[p];
      v8 u = acc[p], w = carry, s = LO(zero, x0, b0), r = LO(zero, y0, q0);
      carry = zero;
      u = LO(u, x1, b1), w = LO(w, y1, q1), s = LO(s, x2, b2), r = LO(r, y2, q2);
      u = LO(u, x3, b3), w = LO(w, y3, q3), s = HI(s, x1, b0), r = HI(r, y1, q0);
      u = HI(u, x2, b1), w = HI(w, y2, q1), s = HI(s, x3, b2), r = HI(r, y3, q2);
      u = HI(u, x4, b3), w = HI(w, y4, q3);
      acc[p - 4] = ADD(ADD(u, w), ADD(s, r));
      x4 = x3, x3 = x2, x2 = x1, x1 = x0;
      y4 = y3, y3 = y2, y2 = y1, y1 = y0;
    }
    for (int i = 0; i < 4; i++) acc[wide + i] = zero;
  }
  const v8 mask = _mm512_set1_epi64((1LL << 52) - 1);
  v8 carry = zero;
  for (int i = 0; i < wide; i++) {
    const v8 limb = ADD(acc[i], carry);
    a[i] = _mm512_and_si512(limb, mask);
    carry = CARRY(limb);
  }
}

/* The lengths of 2048- and 3072-bit keys, modulo N^2 and modulo P^2, with loops of known length. */
IFMA static void multiply(padded *a, const v8 *b, const field *f, int limbs) {
  v8 *const low = a->all + PAD;
  const v8 *const m = f->modulus.all + PAD;
  switch (f->wide) {
    case 40: amm(low, b, m, f->factor, 40, limbs); break;
    case 60: amm(low, b, m, f->factor, 60, limbs); break;
    case 80: amm(low, b, m, f->factor, 80, limbs); break;
    case 120: amm(low, b, m, f->factor, 120, limbs); break;
    default: amm(low, b, m, f->factor, f->wide, limbs);
  }
}

IFMA static void set_field(field *f, const uint64_t *modulus, uint64_t factor, int wide) {
  memset(f, 0, sizeof *f);
  for (int i = 0; i < wide; i++) f->modulus.all[PAD + i] = _mm512_set1_epi64((long long)modulus[i]);
  f->factor = _mm512_set1_epi64((long long)factor);
  f->wide = wide;
}

INLINE void put(v8 *to, int lane, const uint64_t *from, int limbs) {
  for (int i = 0; i < limbs; i++) ((uint64_t *)&to[i])[lane] = from[i];
}

INLINE void normalise(v8 *sum, int limbs) {
  const v8 mask = _mm512_set1_epi64((1LL << 52) - 1);
  v8 carry = _mm512_setzero_si512();
  for (int i = 0; i < limbs; i++) {
    const v8 limb = ADD(sum[i], carry);
    sum[i] = _mm512_and_si512(limb, mask);
    carry = CARRY(limb);
  }
}

typedef struct {
  const uint64_t *residues, *logs, *last;
  const uint16_t *digits;
  Py_ssize_t count;
  int planes, rows, entries, narrow, extra;
} job;

/* One group of eight items; lanes beyond the count repeat the last item. */
IFMA static void product(const job *j, const field *f, Py_ssize_t group, uint64_t *values, uint64_t *totals) {
  padded acc;
  v8 factor[MOST], sum[MOST + 64];
  const int narrow = j->narrow, length = narrow + j->extra;
  const size_t item = (size_t)j->planes * j->rows, row_size = (size_t)j->entries * narrow;
  const uint16_t *of[8];
  memset(&acc, 0, sizeof acc);
  memset(sum, 0, sizeof(v8) * length);
  for (int lane = 0; lane < 8; lane++) {
    const Py_ssize_t wanted = group * 8 + lane;
    of[lane] = j->digits + (size_t)(wanted < j->count ? wanted : j->count - 1) * item;
  }
  for (int plane = 0; plane < j->planes; plane++) {
    if (plane) {
      multiply(&acc, acc.all + PAD, f, f->wide);
      for (int i = 0; i < length; i++) sum[i] = ADD(sum[i], sum[i]);
    }
    for (int row = 0; row < j->rows; row++) {
      v8 *const to = plane || row ? factor : acc.all + PAD;
      const size_t at = (size_t)plane * j->rows + row;
      for (int lane = 0; lane < 8; lane++) put(to, lane, j->residues + row * row_size + of[lane][at] * (size_t)narrow, narrow);
      if (plane || row) multiply(&acc, factor, f, narrow);
      for (int lane = 0; lane < 8; lane++) put(factor, lane, j->logs + row * row_size + of[lane][at] * (size_t)narrow, narrow);
      for (int i = 0; i < narrow; i++) sum[i] = ADD(sum[i], factor[i]);
    }
    normalise(sum, length);
  }
  for (int lane = 0; lane < 8; lane++) put(factor, lane, j->last, f->wide);
  multiply(&acc, factor, f, f->wide);
  for (int lane = 0; lane < 8 && group * 8 + lane < j->count; lane++) {
    for (int i = 0; i < f->wide; i++) values[(size_t)lane * f->wide + i] = ((uint64_t *)&acc.all[PAD + i])[lane];
    for (int i = 0; i < length; i++) totals[(size_t)lane * length + i] = ((uint64_t *)&sum[i])[lane];
  }
}

/* Eight bases in Montgomery form to one exponent of 5-bit digits, highest first; leaves the form. */
#define WINDOW 32
IFMA static void power(v8 *table, const field *f, const uint8_t *digits, Py_ssize_t length, uint64_t *values, int lanes) {
  padded acc;
  v8 one[MOST];
  const int wide = f->wide;
  int highest = 1;
  for (Py_ssize_t at = 0; at < length; at++) highest = digits[at] > highest ? digits[at] : highest;
  memset(&acc, 0, sizeof acc);
  for (int entry = 2; entry <= highest; entry++) {
    memcpy(acc.all + PAD, table + (size_t)(entry - 1) * wide, sizeof(v8) * wide);
    multiply(&acc, table + wide, f, wide);
    memcpy(table + (size_t)entry * wide, acc.all + PAD, sizeof(v8) * wide);
  }
  memcpy(acc.all + PAD, table + (size_t)digits[0] * wide, sizeof(v8) * wide);
  for (Py_ssize_t at = 1; at < length; at++) {
    for (int i = 0; i < 5; i++) multiply(&acc, acc.all + PAD, f, wide);
    multiply(&acc, table + (size_t)digits[at] * wide, f, wide);
  }
  memset(one, 0, sizeof(v8) * wide);
  one[0] = _mm512_set1_epi64(1);
  multiply(&acc, one, f, wide);
  for (int lane = 0; lane < lanes; lane++)
    for (int i = 0; i < wide; i++) values[(size_t)lane * wide + i] = ((uint64_t *)&acc.all[PAD + i])[lane];
}

IFMA static void powers_of(v8 *table, const field *f, const uint64_t *bases, const uint64_t *one, Py_ssize_t count,
                           const uint8_t *digits, Py_ssize_t length, uint64_t *values) {
  const int wide = f->wide;
  for (Py_ssize_t start = 0; start < count; start += 8) {
    const int lanes = count - start < 8 ? (int)(count - start) : 8;
    for (int lane = 0; lane < 8; lane++) {
      put(table, lane, one, wide);
      put(table + wide, lane, bases + (size_t)(start + (lane < lanes ? lane : 0)) * wide, wide);
    }
    power(table, f, digits, length, values + (size_t)start * wide, lanes);
  }
}

IFMA static void products_of(const job *j, const uint64_t *modulus, uint64_t factor, int wide, uint64_t *values,
                             uint64_t *totals) {
  field f;
  set_field(&f, modulus, factor, wide);
  for (Py_ssize_t group = 0; group * 8 < j->count; group++)
    product(j, &f, group, values + (size_t)group * 8 * wide, totals + (size_t)group * 8 * (j->narrow + j->extra));
}

IFMA static int powers_in(const uint64_t *modulus, uint64_t factor, int wide, const uint64_t *bases, const uint64_t *one,
                          Py_ssize_t count, const uint8_t *digits, Py_ssize_t length, uint64_t *values) {
  field f;
  v8 *table = aligned_alloc(64, sizeof(v8) * WINDOW * (size_t)wide);
  if (!table) return 0;
  set_field(&f, modulus, factor, wide);
  powers_of(table, &f, bases, one, count, digits, length, values);
  free(table);
  return 1;
}
#endif

static int runs(void) {
#if LANES
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512ifma");
#else
  return 0;
#endif
}

static PyObject *available(PyObject *self, PyObject *none) { return PyBool_FromLong(runs()); }

/* Little-endian integers of limbs * 52 bits each (limbs even) to limbs, a uint64 each. */
static PyObject *limbs_of(PyObject *self, PyObject *args) {
  Py_buffer data;
  if (!PyArg_ParseTuple(args, "y*", &data)) return NULL;
  PyObject *made = NULL;
  if (data.len % 13) PyErr_SetString(PyExc_ValueError, "no whole limbs");
  else made = PyBytes_FromStringAndSize(NULL, data.len / 13 * 16);
  if (made) {
    const uint8_t *from = data.buf;
    uint64_t *to = (uint64_t *)PyBytes_AS_STRING(made);
    for (Py_ssize_t at = 0; at < data.len; at += 13, from += 13, to += 2) {
      uint64_t low = 0, high = 0;
      for (int i = 6; i >= 0; i--) low = low << 8 | from[i];
      for (int i = 12; i >= 7; i--) high = high << 8 | from[i];
      to[0] = low & ((1ULL << 52) - 1);
      to[1] = high << 4 | low >> 52;
    }
  }
  PyBuffer_Release(&data);
  return made;
}

/* The reverse, in place of the bytes of an object of limbs. */
static PyObject *integers(const uint64_t *limbs, Py_ssize_t count) {
  PyObject *made = PyBytes_FromStringAndSize(NULL, count / 2 * 13);
  if (!made) return NULL;
  uint8_t *to = (uint8_t *)PyBytes_AS_STRING(made);
  for (Py_ssize_t at = 0; at < count; at += 2, to += 13) {
    uint64_t low = limbs[at] | limbs[at + 1] << 52, high = limbs[at + 1] >> 4;
    for (int i = 0; i < 7; i++, low >>= 8) to[i] = (uint8_t)low;
    /* The low half holds 52 bits and 12 of the next; seven bytes are 56 bits, so 4 bits of the next are in byte 6. */
    for (int i = 7; i < 13; i++, high >>= 8) to[i] = (uint8_t)high;
  }
  return made;
}

static int fits(const Py_buffer *buffer, Py_ssize_t items, Py_ssize_t size) {
  if (buffer->len == items * size) return 1;
  PyErr_SetString(PyExc_ValueError, "a buffer has another length");
  return 0;
}

static int shaped(int wide, int narrow, Py_ssize_t count) {
  if (runs() && wide > 0 && wide <= MOST && wide % 4 == 0 && narrow > 0 && narrow <= wide && narrow % 4 == 0 && count > 0)
    return 1;
  PyErr_SetString(PyExc_ValueError, "the kernel does not run here, or not with these lengths");
  return 0;
}

static PyObject *products(PyObject *self, PyObject *args) {
  Py_buffer residues, logs, digits, modulus, last;
  Py_ssize_t count;
  int planes, rows, entries, narrow, wide;
  unsigned long long factor;
  if (!PyArg_ParseTuple(args, "y*y*y*(niiiii)y*Ky*", &residues, &logs, &digits, &count, &planes, &rows, &entries,
                        &narrow, &wide, &modulus, &factor, &last))
    return NULL;
  PyObject *made = NULL;
  uint64_t *values = NULL, *totals = NULL;
#if LANES
  const int extra = 4 * (1 + (planes + 12) / 208);
  if (!shaped(wide, narrow, count)) goto done;
  if (planes < 1 || planes > 2048 || rows < 1 || rows > 1024 || entries < 1 || entries > 65536) {
    PyErr_SetString(PyExc_ValueError, "too many planes, rows or entries");
    goto done;
  }
  const Py_ssize_t table = (Py_ssize_t)rows * entries * narrow;
  if (!fits(&residues, table, 8) || !fits(&logs, table, 8) || !fits(&modulus, wide, 8) || !fits(&last, wide, 8) ||
      !fits(&digits, count * planes * rows, 2))
    goto done;
  const uint16_t *all = digits.buf;
  for (Py_ssize_t at = 0; at < count * planes * rows; at++)
    if (all[at] >= entries) {
      PyErr_SetString(PyExc_ValueError, "a digit is out of range");
      goto done;
    }
  const Py_ssize_t length = narrow + extra;
  values = malloc((size_t)(count + 8) * wide * 8), totals = malloc((size_t)(count + 8) * length * 8);
  if (!values || !totals) {
    PyErr_NoMemory();
    goto done;
  }
  const job j = {residues.buf, logs.buf, last.buf, digits.buf, count, planes, rows, entries, narrow, extra};
  Py_BEGIN_ALLOW_THREADS products_of(&j, modulus.buf, factor, wide, values, totals);
  Py_END_ALLOW_THREADS PyObject *first = integers(values, count * wide), *second = integers(totals, count * length);
  if (first && second) made = PyTuple_Pack(2, first, second);
  Py_XDECREF(first);
  Py_XDECREF(second);
done:
#else
  shaped(0, 0, 0);
#endif
  free(values);
  free(totals);
  PyBuffer_Release(&residues);
  PyBuffer_Release(&logs);
  PyBuffer_Release(&digits);
  PyBuffer_Release(&modulus);
  PyBuffer_Release(&last);
  return made;
}

static PyObject *powers(PyObject *self, PyObject *args) {
  Py_buffer bases, one, digits, modulus;
  Py_ssize_t count;
  int wide;
  unsigned long long factor;
  if (!PyArg_ParseTuple(args, "y*y*y*(ni)y*K", &bases, &one, &digits, &count, &wide, &modulus, &factor)) return NULL;
  PyObject *made = NULL;
  uint64_t *values = NULL;
#if LANES
  if (!shaped(wide, wide, count) || !fits(&bases, count * wide, 8) || !fits(&one, wide, 8) || !fits(&modulus, wide, 8))
    goto done;
  const uint8_t *all = digits.buf;
  for (Py_ssize_t at = 0; at < digits.len; at++)
    if (all[at] >= WINDOW) {
      PyErr_SetString(PyExc_ValueError, "a digit is out of range");
      goto done;
    }
  if (!digits.len) {
    PyErr_SetString(PyExc_ValueError, "an exponent has no digits");
    goto done;
  }
  int held = 0;
  values = malloc((size_t)count * wide * 8);
  if (values) {
    Py_BEGIN_ALLOW_THREADS held =
        powers_in(modulus.buf, factor, wide, bases.buf, one.buf, count, digits.buf, digits.len, values);
    Py_END_ALLOW_THREADS
  }
  if (held) made = integers(values, count * wide);
  else PyErr_NoMemory();
done:
#else
  shaped(0, 0, 0);
#endif
  free(values);
  PyBuffer_Release(&bases);
  PyBuffer_Release(&one);
  PyBuffer_Release(&digits);
  PyBuffer_Release(&modulus);
  return made;
}

static PyMethodDef methods[] = {
    {"available", available, METH_NOARGS, "Whether this processor has AVX512-IFMA."},
    {"limbs", limbs_of, METH_VARARGS, "limbs(data): little-endian integers of 52-bit limbs, an even number each, as uint64 limbs."},
    {"products", products, METH_VARARGS,
     "products(residues, logs, digits, (count, planes, rows, entries, narrow, wide), modulus, factor, last): table products."},
    {"powers", powers, METH_VARARGS,
     "powers(bases, one, digits, (count, wide), modulus, factor): one exponent, 5-bit digits from the highest."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_lanes", "Eight residues at a time.", -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__lanes(void) { return PyModule_Create(&module); }
