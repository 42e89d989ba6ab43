/** Roles in ascending order; each has all permissions of the previous one. */
import { PlatformError } from '../errors.ts';

/** In ascending order of what they allow. */
export type Permission = 'read' | 'invoke' | 'register' | 'deploy' | 'approve' | 'administer';

/** Each role has all permissions of the one before it. */
export const rolePermissions = {
  viewer: ['read'],
  invoker: ['read', 'invoke'],
  deployer: ['read', 'invoke', 'register', 'deploy'],
  approver: ['read', 'invoke', 'register', 'deploy', 'approve'],
  admin: ['read', 'invoke', 'register', 'deploy', 'approve', 'administer'],
} as const satisfies Record<string, readonly Permission[]>;

/** The role of a key. */
export type Role = keyof typeof rolePermissions;

/** In ascending order. */
export const roles = Object.keys(rolePermissions) as readonly Role[];

/** Whether a name is a role, spelled exactly. */
export function isRole(name: unknown): name is Role {
  return typeof name === 'string' && Object.hasOwn(rolePermissions, name);
}

/** Throws `invalid_request` for an unknown role. */
export function parseRole(name: unknown): Role {
  if (isRole(name)) return name;
  throw new PlatformError('invalid_request', `expected a role (${roles.join(', ')}), got ${JSON.stringify(name)}`);
}

/** The only place where a role becomes a right. */
export function hasPermission(role: Role, permission: Permission): boolean {
  const permissions: readonly Permission[] = rolePermissions[role];
  return permissions.includes(permission);
}

/** The weakest role with the permission. */
export function weakestRoleWith(permission: Permission): Role {
  return roles.find((role) => hasPermission(role, permission)) ?? 'admin';
}
