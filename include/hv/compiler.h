/* Words about the compiler that every layer uses. */
#ifndef HV_COMPILER_H
#define HV_COMPILER_H

#define HV_PACKED            __attribute__((packed))
#define HV_ALIGNED(n)        __attribute__((aligned(n)))
#define HV_NORETURN          __attribute__((noreturn))
#define HV_UNUSED            __attribute__((unused))
#define HV_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define HV_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define HV_BIT(n)    (1ULL << (n))
#define HV_MIN(a, b) ((a) < (b) ? (a) : (b))
#define HV_MAX(a, b) ((a) > (b) ? (a) : (b))

/* a must be a power of two. */
#define HV_ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define HV_ALIGN_UP(x, a)   HV_ALIGN_DOWN((x) + ((a)-1), a)

/* A hardware layout: the named field lies at this byte offset. */
#define HV_ASSERT_OFFSET(type, field, offset)                                                      \
    _Static_assert(__builtin_offsetof(type, field) == (offset), #type "." #field " is misplaced")
#define HV_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " has a wrong size")

#endif
