export { Access, type AccessConnection, type AccessHeaders, type AuthenticatedSession, type Signer } from './access.ts';
export { type Action, actions, permissionFor } from './actions.ts';
export type { Caller } from './caller.ts';
export { KeyLimiter, type KeyLimits, keyLimitsMax } from './key-limits.ts';
export { type Key, type KeySummary, readKeysFile } from './keys-file.ts';
export { keysOfFile, openKeys } from './open-keys.ts';
export { hasPermission, isRole, type Permission, parseRole, type Role, rolePermissions, roles, weakestRoleWith } from './roles.ts';
export type { KeyChanges } from './shared-keys.ts';
