/** Describes how code that comes with models is isolated. */
import type { StatusBody } from '../../api/index.ts';

type Isolation = NonNullable<StatusBody['isolation']>;

const modes = {
  root: 'a separate user and namespaces for each worker (root)',
  user: 'user namespaces (user)',
  landlock: 'Landlock, files only (landlock)',
  none: "none: model code runs with the server's rights, so only an admin may approve or start it",
  unavailable: 'unavailable on this machine: model code is not started',
} as const satisfies Record<Isolation['mode'], string>;

/** The mode in words, with its name in parentheses. */
export function isolationText({ mode, own_users: hasOwnUsers }: Pick<Isolation, 'mode' | 'own_users'>): string {
  return mode === 'landlock' && hasOwnUsers ? 'Landlock and a separate user for each worker (landlock)' : modes[mode];
}
