/** Penstock's own S3 in another process, as the object store of other servers. The connection to it can be cut. */
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { Server } from '../end-to-end/server.ts';
import { TcpProxy } from '../tcp-proxy.ts';

export class S3Server {
  readonly server: Server;
  readonly proxy: TcpProxy;
  readonly client: S3Client;

  private constructor(server: Server, proxy: TcpProxy, client: S3Client) {
    this.server = server;
    this.proxy = proxy;
    this.client = client;
  }

  /** With a bucket `store`. Its key is in the environment of this process from now on, and so of servers that it starts. */
  static async start(): Promise<S3Server> {
    const objects = process.env['OBJECTS'];
    delete process.env['OBJECTS'];
    const server = await Server.start({ flags: ['--warm-workers', '0'] });
    if (objects !== undefined) process.env['OBJECTS'] = objects;
    const [accessKeyId = '', secretAccessKey = ''] = server.adminKey.split(':');
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
    const proxy = await TcpProxy.start(Number(new URL(server.url).port));
    const client = new S3Client({ endpoint: server.url, region: 'us-east-1', forcePathStyle: true });
    await client.send(new CreateBucketCommand({ Bucket: 'store' }));
    return new S3Server(server, proxy, client);
  }

  /** For `--objects`. */
  placeOf(prefix: string): string {
    return `s3://store/${prefix}?endpoint=http://127.0.0.1:${this.proxy.port}`;
  }

  async keysOf(prefix: string): Promise<string[]> {
    const { Contents = [] } = await this.client.send(new ListObjectsV2Command({ Bucket: 'store', Prefix: prefix }));
    return Contents.map(({ Key = '' }) => Key);
  }

  async end(): Promise<void> {
    this.client.destroy();
    this.proxy.close();
    await this.server.end();
  }
}
