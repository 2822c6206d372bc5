import {once} from 'node:events';
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {answerEbs, ebsAction} from './ebs.ts';
import {imageHandlers} from './ec2-images.ts';
import {answerXml, readQuery, refusalXml} from './ec2-protocol.ts';
import {snapshotHandlers} from './ec2-snapshots.ts';
import {type Model, Refusal, readModel} from './model.ts';
import {PeerS3, s3RefusalXml} from './s3.ts';
import {checkSignature, type Scope} from './signature.ts';
import {type Faults, PeerState} from './state.ts';

/**
 * A stand-in for EC2, the EBS direct APIs and S3 of all regions at one address, strict where moto is not: it takes what
 * AWS's published service models take, checks every signature and checksum, and has things pending before they are
 * completed. It is no proof that Amazon does the same; it is one that fgimage keeps to what is published.
 */
export class AwsPeer implements AsyncDisposable {
  readonly state: PeerState;
  readonly s3: PeerS3;
  /** What was answered, in order: `ec2:DescribeImages`, with the code of a refusal behind it. */
  readonly calls: string[] = [];
  readonly #server: Server;
  readonly #models: {readonly ec2: Model; readonly ebs: Model};
  #count = 0;

  private constructor(state: PeerState, models: {readonly ec2: Model; readonly ebs: Model}) {
    this.state = state;
    this.s3 = new PeerS3(state);
    this.#models = models;
    this.#server = createServer((request, response) => {
      void this.#serve(request, response);
    });
  }

  /** `models`: a root with Debian's python3-botocore. `folder`: for the disks of snapshots. */
  static async start(models: string, folder: string): Promise<AwsPeer> {
    const peer = new AwsPeer(new PeerState(folder), {
      ec2: readModel(models, 'ec2'),
      ebs: readModel(models, 'ebs'),
    });
    peer.#server.listen(0, '127.0.0.1');
    await once(peer.#server, 'listening');
    return peer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get faults(): Faults {
    return this.state.faults;
  }

  /** The calls since the last time that this was asked. */
  takeCalls(): readonly string[] {
    return this.calls.splice(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const {method = 'GET', url: target = '/', headers} = request;
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return; // The client went away.
    }
    const body = Buffer.concat(chunks);
    const url = new URL(target, this.url);
    const answer = new Answering({method, url, headers, body}, response);
    try {
      const scope = checkSignature({method, target, headers, body});
      answer.service = scope.service;
      const send = this.#dispatch(scope, answer);
      this.calls.push(`${scope.service}:${answer.action}`);
      if (this.faults.loseAnswer.delete(answer.action)) response.destroy();
      else send();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.calls.push(`${answer.service}:${answer.action} ${error.code}`);
      answer.refuse(error);
    }
  }

  /** Does what is asked, and gives what sends the answer. */
  #dispatch(scope: Scope, answer: Answering): () => void {
    const {method, url, headers, body} = answer.request;
    const {region, service} = scope;
    if (service === 'ebs') {
      answer.action = ebsAction(this.#models.ebs, {method, path: url.pathname});
      this.#refuseFirst(answer, 'RequestThrottledException');
      const {
        status,
        json,
        headers: extra,
      } = answerEbs(this.state, this.#models.ebs, {method, path: url.pathname, headers, body, region});
      return () => answer.send(status, JSON.stringify(json), {'content-type': 'application/json', ...extra});
    }
    if (service === 's3') {
      const request = {method, path: url.pathname, query: url.searchParams, body};
      answer.action = PeerS3.action(request);
      this.#refuseFirst(answer, 'SlowDown');
      const {status, body: text, headers: extra = {}} = this.s3.answer(request);
      return () => answer.send(status, text, extra);
    }
    if (service !== 'ec2') throw new Refusal('InvalidAction', `There is no service ${service}`);
    const {action, parameters} = readQuery(this.#models.ec2, body.toString('utf8'));
    answer.action = action;
    this.#refuseFirst(answer, 'RequestLimitExceeded');
    const handler = imageHandlers[action] ?? snapshotHandlers[action];
    if (handler === undefined) throw new Refusal('InvalidAction', `The peer does not know ${action}`);
    const xml = answerXml(this.#models.ec2, action, handler(this.state, parameters, region));
    return () => answer.send(200, xml, {'content-type': 'text/xml;charset=UTF-8'});
  }

  #refuseFirst({action, service}: Answering, throttled: string): void {
    this.#count += 1;
    const every = this.faults.throttleEvery;
    if (every !== undefined && this.#count % every === 0)
      throw new Refusal(throttled, 'Request limit exceeded.', service === 'ebs' ? 400 : 503);
    const refusal = this.faults.refuse.get(action);
    if (refusal !== undefined) throw refusal;
  }
}

interface PeerRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** One answer, in the form of the service that was asked. */
class Answering {
  service = 'unknown';
  action = 'unknown';
  readonly request: PeerRequest;
  readonly #response: ServerResponse;

  constructor(request: PeerRequest, response: ServerResponse) {
    this.request = request;
    this.#response = response;
  }

  send(status: number, body: string, headers: Readonly<Record<string, string>>): void {
    this.#response.writeHead(status, headers);
    this.#response.end(this.request.method === 'HEAD' ? undefined : body);
  }

  refuse(refusal: Refusal): void {
    const {code, message, status} = refusal;
    if (this.service === 'ebs') {
      const json = JSON.stringify({Message: message, Reason: 'PEER'});
      this.send(status, json, {'content-type': 'application/json', 'x-amzn-errortype': code});
      return;
    }
    this.send(status, this.service === 's3' ? s3RefusalXml(refusal) : refusalXml(refusal), {
      'content-type': 'text/xml',
    });
  }
}
