export { Access, type AccessConnection, type AccessHeaders, type SignedIn } from './access.ts';
export type { Caller } from './caller.ts';
export { type Key, type KeySummary, readKeysFile } from './keys-file.ts';
export { hasPermission, isRole, type Permission, parseRole, type Role, rolePermissions, roles } from './roles.ts';
