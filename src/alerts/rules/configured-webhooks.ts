/** What the config says of webhooks: the URLs of topics, and the addresses that webhooks must not call. */
import { type Config, isLoopback } from '../../config.ts';
import { WebhookPolicy } from './webhook-policy.ts';

/** The URL of a topic: the topic itself, or its entry in `asyncTopics`. Null if there is none. */
export function topicUrl(topics: Config['asyncTopics'], topic: string): string | null {
  if (/^https?:\/\//.test(topic)) return topic;
  const url = topics?.[topic];
  return typeof url === 'string' ? url : null;
}

/** The webhook policy of the config. Ports chosen while listening are added later. */
export function webhookPolicy({ host, port, grpcPort, webhookPrivate, asyncTopics }: Config): WebhookPolicy {
  const policy = new WebhookPolicy({
    allowsPrivate: webhookPrivate === 'allow',
    listensOnLoopback: isLoopback(host),
    configuredUrls: Object.values(asyncTopics ?? {}).filter((url) => typeof url === 'string'),
  });
  for (const own of [port, grpcPort]) if (typeof own === 'number') policy.addOwnPort(own);
  return policy;
}
