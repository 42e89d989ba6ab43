export { Access, type AccessConnection, type AccessHeaders, type Caller } from './access.ts';
export { type Key, type KeySummary, readKeysFile } from './keys-file.ts';
export { hasPermission, isRole, type Permission, parseRole, type Role, roles } from './roles.ts';
