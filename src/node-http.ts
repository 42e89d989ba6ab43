/**
 * What the server uses of node:http. An `import` from there evaluates each export, among them a client of WebSockets and fetch: 40 ms of the
 * processor, at each start.
 */
export const { createServer, request, STATUS_CODES } = process.getBuiltinModule('node:http');
