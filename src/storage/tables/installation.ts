/** The row of `installation.ts`. */

export interface InstallationTable {
  /** Always 1: the table has one row. */
  slot: number;
  id: string;
  created_at: number;
  /** `s3://bucket/prefix` or `postgres`; null for the folders of the data directory. */
  objects: string | null;
}
