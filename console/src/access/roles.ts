/** Permissions of each role. Each role includes those before it. */
export const rights: Readonly<Record<string, string>> = {
  viewer: 'view everything except keys and the audit log',
  invoker: 'view, and call endpoints',
  deployer: 'view, call, register models, and deploy approved models',
  approver: 'do all of that, and approve or reject models',
  admin: 'do everything, including keys and the audit log',
};
