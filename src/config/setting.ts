/** The definition of a setting, and its names by source. */

/** One row of the table of settings. Its flag, its environment variable and its line in `--help` follow from it. */
export interface Setting<Value = unknown> {
  /** As in config.json; `--body-limit` and PENSTOCK_BODY_LIMIT follow from `bodyLimit`. */
  readonly name: string;
  readonly default: Value;
  readonly help: string;
  /** The form of a value in help texts: `N`, `F`, `off|files`. */
  readonly placeholder: string;
  /** The sources that may set it; omitted: all. */
  readonly only?: readonly SettingSource[];
  /** Parses a string or a JSON value. Returns undefined if the value is invalid. */
  readonly read: (provided: unknown) => Value | undefined;
  /** A description of valid values for error messages. */
  readonly expected: string;
}

export type SettingSource = 'flag' | 'environment' | 'file';

/** `--body-limit`. */
export function flagName(setting: Pick<Setting, 'name'>): string {
  return `--${setting.name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `PENSTOCK_BODY_LIMIT`. */
export function variableName(setting: Pick<Setting, 'name'>): string {
  return `PENSTOCK_${setting.name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}
