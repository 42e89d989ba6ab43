/** Checks objects of Kubernetes against its schemas, offline. Fields that a schema does not have are errors, too. */
import assert from 'node:assert/strict';
import { validate as validateDeployment } from 'kubernetes-models/_schemas/IoK8sApiAppsV1Deployment';
import { validate as validateStatefulSet } from 'kubernetes-models/_schemas/IoK8sApiAppsV1StatefulSet';
import { validate as validateSecret } from 'kubernetes-models/_schemas/IoK8sApiCoreV1Secret';
import { validate as validateService } from 'kubernetes-models/_schemas/IoK8sApiCoreV1Service';
import { validate as validateServiceAccount } from 'kubernetes-models/_schemas/IoK8sApiCoreV1ServiceAccount';
import { validate as validateNetworkPolicy } from 'kubernetes-models/_schemas/IoK8sApiNetworkingV1NetworkPolicy';
import { validate as validatePodDisruptionBudget } from 'kubernetes-models/_schemas/IoK8sApiPolicyV1PodDisruptionBudget';
import { validate as validateRole } from 'kubernetes-models/_schemas/IoK8sApiRbacV1Role';
import { validate as validateRoleBinding } from 'kubernetes-models/_schemas/IoK8sApiRbacV1RoleBinding';

/** By apiVersion and kind. */
const validators: Readonly<Record<string, (data: unknown) => boolean>> = {
  'apps/v1 Deployment': validateDeployment,
  'apps/v1 StatefulSet': validateStatefulSet,
  'networking.k8s.io/v1 NetworkPolicy': validateNetworkPolicy,
  'policy/v1 PodDisruptionBudget': validatePodDisruptionBudget,
  'rbac.authorization.k8s.io/v1 Role': validateRole,
  'rbac.authorization.k8s.io/v1 RoleBinding': validateRoleBinding,
  'v1 Secret': validateSecret,
  'v1 Service': validateService,
  'v1 ServiceAccount': validateServiceAccount,
};

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

interface SchemaError {
  readonly instancePath: string;
  readonly message?: string;
  readonly keyword: string;
  readonly params: unknown;
}

/** What is wrong with an object, each as `/spec/replicas: type {"type":"integer"}`. Empty: it is valid. */
export function objectErrors(object: KubernetesObject): string[] {
  const validate = validators[`${object.apiVersion} ${object.kind}`];
  if (validate === undefined) return [`${object.apiVersion} ${object.kind}: no validator for this kind`];
  const unread = new Set<string>();
  const isValid = validate(observed(object, '', unread));
  const errors = isValid ? [] : (Reflect.get(validate, 'errors') as readonly SchemaError[]);
  return [
    ...errors.map(({ instancePath, keyword, params }) => `${instancePath}: ${keyword} ${JSON.stringify(params)}`),
    ...[...unread].map((path) => `${path}: no such field`),
  ];
}

/**
 * A view of a value that notes which fields are read. The validators read each field that their schema has, and each entry of a map, and
 * no other: a field that stays in `unread` is unknown.
 */
function observed(value: unknown, path: string, unread: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (!Array.isArray(value)) for (const key of Object.keys(value)) unread.add(`${path}/${key}`);
  const views = new Map<string | symbol, unknown>();
  return new Proxy(value, {
    get(target, key): unknown {
      const at = `${path}/${String(key)}`;
      unread.delete(at);
      const field: unknown = Reflect.get(target, key);
      if (!Object.hasOwn(target, key)) return field;
      if (!views.has(key)) views.set(key, observed(field, at, unread));
      return views.get(key);
    },
  });
}

/** Fails with all that is wrong with the objects, by their name. */
export function assertObjects(objects: readonly KubernetesObject[]): void {
  assert(objects.length > 0);
  assert.deepEqual(
    objects.flatMap((object) => objectErrors(object).map((error) => `${object.kind} ${object.metadata.name}${error}`)),
    [],
  );
}
