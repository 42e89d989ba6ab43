/** The endpoints that the runtime checks invoke, created through the native API. */
import type { Server } from '../../end-to-end/server.ts';

export async function deployRuntimeEndpoints(server: Server): Promise<void> {
  const digits = await server.deploy('digits', 'digits_mlp');
  await server.deploy('spam', 'spam_text');
  await server.deploy('affine', 'test_affine');
  await server.deploy('tokens', 'loadtest_transformer');
  await server.deploy('gather', 'test_gather_fail');
  await server.deploy('hurried', 'test_slow_loop', { timeoutMs: 300 });
  await server.deploy('crowded', 'test_slow_loop', { group: 'hurried' });
  const other = await server.register('digits', 'digits_logreg');
  await server.approve(other);
  await server.callWell('POST', '/endpoints', {
    name: 'ab',
    variants: [
      { name: 'champion', model: digits.name, weight: 1, instance_count: 1 },
      { name: 'challenger', model: other.name, weight: 0, instance_count: 1 },
    ],
  });
  await server.inService('ab');
}
