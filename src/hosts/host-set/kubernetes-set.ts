/**
 * The number of hosts of a StatefulSet, by its `scale`. That subresource has the number and nothing else, so the service account may change
 * neither the program nor the volumes of a pod.
 */
import { PlatformError } from '../../errors.ts';
import { type HostSet, type HostSetChange, type HostSetCount, hostSetCount } from './host-set.ts';
import { callKubernetes, type KubernetesAnswer, type KubernetesPlace, kubernetesError, namespaceOf } from './kubernetes-api.ts';

export class KubernetesSet implements HostSet {
  readonly #place: KubernetesPlace;
  readonly #name: string;

  constructor(place: KubernetesPlace, name: string) {
    this.#place = place;
    this.#name = name;
  }

  async read(): Promise<HostSetCount> {
    const answer = await callKubernetes(this.#place, { method: 'GET', path: await this.#path() });
    return this.#countOf(answer, 'a look at');
  }

  /** The API server stores the name with the epoch beside the change, and writes it to its audit log. */
  async write({ hosts, version, epoch }: HostSetChange): Promise<HostSetCount | null> {
    const answer = await callKubernetes(this.#place, {
      method: 'PATCH',
      path: `${await this.#path()}?fieldManager=penstock-epoch-${epoch}`,
      contentType: 'application/merge-patch+json',
      // With a version in the patch, the API server compares it, and does not try again on the present one.
      body: { metadata: { resourceVersion: version }, spec: { replicas: hosts } },
    });
    return answer.status === 409 ? null : this.#countOf(answer, 'a change of');
  }

  async #path(): Promise<string> {
    return `/apis/apps/v1/namespaces/${await namespaceOf(this.#place)}/statefulsets/${this.#name}/scale`;
  }

  #countOf(answer: KubernetesAnswer, what: string): HostSetCount {
    const { status, body } = answer;
    const set = `the number of hosts of the StatefulSet ${this.#name}`;
    if (status < 200 || status > 299) {
      const isRight = status !== 401 && status !== 403;
      throw kubernetesError(answer, `${what} ${set}`, isRight ? '' : '. Its service account needs get and patch of statefulsets/scale');
    }
    const { metadata, spec } = body as { readonly metadata?: { resourceVersion?: unknown }; readonly spec?: { replicas?: unknown } };
    // A number of 0 is left out of the JSON.
    const count = hostSetCount(spec?.replicas ?? 0, metadata?.resourceVersion);
    if (count !== null) return count;
    throw new PlatformError(
      'unavailable',
      `Kubernetes answered ${what} ${set} with other members than spec.replicas and metadata.resourceVersion`,
    );
  }
}
