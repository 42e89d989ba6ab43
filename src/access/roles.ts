/** Who may what: a ladder of roles, each with all the rights of the one before. */
import { PlatformError } from '../errors.ts';

export type Permission = 'read' | 'invoke' | 'register' | 'deploy' | 'approve' | 'administer';

export const rolePermissions = {
  viewer: ['read'],
  invoker: ['read', 'invoke'],
  deployer: ['read', 'invoke', 'register', 'deploy'],
  approver: ['read', 'invoke', 'register', 'deploy', 'approve'],
  admin: ['read', 'invoke', 'register', 'deploy', 'approve', 'administer'],
} as const satisfies Record<string, readonly Permission[]>;

export type Role = keyof typeof rolePermissions;

export const roles = Object.keys(rolePermissions) as readonly Role[];

export function isRole(word: unknown): word is Role {
  return typeof word === 'string' && Object.hasOwn(rolePermissions, word);
}

/** The role of that name. Throws `invalid_request`. */
export function parseRole(word: unknown): Role {
  if (isRole(word)) return word;
  throw new PlatformError('invalid_request', `expected a role (${roles.join(', ')}), got ${JSON.stringify(word)}`);
}

export function hasPermission(role: Role, permission: Permission): boolean {
  const permissions: readonly Permission[] = rolePermissions[role];
  return permissions.includes(permission);
}

/** The weakest role that may do it. */
export function weakestRoleWith(permission: Permission): Role {
  return roles.find((role) => hasPermission(role, permission)) ?? 'admin';
}
