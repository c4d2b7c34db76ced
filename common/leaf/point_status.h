#ifndef LEAF_POINT_STATUS_H
#define LEAF_POINT_STATUS_H

/* Statuses of a point, as stored in status.npy. A point has one status for all its fields: a field
 * is NaN only where the status is POINT_FAILED, +-inf only where it is that or POINT_OVERFLOW. A
 * field that is sound keeps its value although another of the point's fields failed. */
enum point_status {
    POINT_OPEN = 0,
    POINT_DONE = 1,
    POINT_FAILED = 2,
    POINT_OVERFLOW = 3, /* finite in the mathematics, not in a double: the field is +-inf */
    POINT_LIMITED = 4,  /* rounding, not the tolerance, decides the error (DESIGN: u kappa) */
};

#endif
