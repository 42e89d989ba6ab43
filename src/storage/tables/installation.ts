/** The row of `installation.ts`. */

/** What binds a database to a data directory and to the place of its objects. */
export interface InstallationTable {
  /** Always 1: the table has one row. */
  slot: number;
  id: string;
  created_at: number;
  /** `s3://bucket/prefix` or `postgres`; null for the folders of the data directory. */
  objects: string | null;
}
