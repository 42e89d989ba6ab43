/** What each role may do, in words: a ladder, each with the rights of those before it. */
export const rights: Readonly<Record<string, string>> = {
  viewer: 'look at everything but keys and the audit',
  invoker: 'look, and call endpoints',
  deployer: 'look, call, register models, and deploy them once they are approved',
  approver: 'all of that, and approve or reject models',
  admin: 'do everything, with keys and the audit',
};
