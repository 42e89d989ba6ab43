/** 0 or 1: neither database needs to know booleans. */
export type Flag = 0 | 1;
