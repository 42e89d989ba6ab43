/** 0 or 1, because SQLite has no booleans. */
export type Flag = 0 | 1;
