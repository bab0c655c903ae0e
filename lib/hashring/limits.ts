/** Ranges of a layout: a power of two. 65,536 ranges keep a few dozen slots for each of 1,024 members. */
export const RANGE_COUNT_MAX = 65_536;
export const RANGE_COUNT_DEFAULT = 4096;

/** Replicas of a range. */
export const REPLICAS_MAX = 16;

/** Members of a layout. The assignment keeps member-by-member tables, so its memory grows with the square. */
export const MEMBERS_MAX = 1024;

/** Weight of a member; any unit will do (GiB, disks) as long as all members use the same. */
export const WEIGHT_MAX = 0xffff_ffff;

/** Length of a member id or a zone name in UTF-8 bytes. */
export const NAME_BYTES_MAX = 255;
