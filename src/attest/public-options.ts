import {canonicalDigest} from '../plan/key.ts';
import type {Image, JsonObject, JsonValue, Provisioner, User, WriteFile} from '../spec/image.ts';

/**
 * What an image was asked to be, as provenance tells it: all options, but a digest in the place of whatever may hold a
 * secret. Each field is named here: a new one is told only once somebody has decided how.
 */
export function publicOptions(image: Image): JsonObject {
  const fields: Readonly<Record<keyof Image, unknown>> = {
    name: image.name,
    description: image.description,
    tags: image.tags,
    os: withoutSecrets({...image.os}),
    base: image.base,
    from: image.from,
    repositories: image.repositories.map((one) => ({...one, uri: withoutLogin(one.uri)})),
    packages: image.packages,
    remove_packages: image.remove_packages,
    groups: image.groups,
    users: image.users.map(publicUser),
    write_files: image.write_files.map(publicFile),
    copy: image.copy,
    provision: image.provision.map(publicStep),
    services: image.services,
    hostname: image.hostname,
    locale: image.locale,
    timezone: image.timezone,
    kernel: image.kernel,
    storage: image.storage,
    // What a check says or awaits may be anything.
    tests: image.tests.map((test) => ({kind: test.kind, ...digestOf(test)})),
    // Says nothing of how the image was made, only who may have it.
    policy: undefined,
    targets: image.targets.map(({name, type, options}) => ({name, type, options: withoutSecrets(options)})),
  };
  return JSON.parse(JSON.stringify(fields)) as JsonObject;
}

function publicUser({hashed_passwd: hash, ...user}: User): object {
  return {...user, ...(hash === undefined ? {} : {hashed_passwd: digestOf(hash)})};
}

function publicFile({content, content_base64: base64, ...file}: WriteFile): object {
  return {
    ...file,
    ...(content === undefined ? {} : {content: digestOf(content)}),
    ...(base64 === undefined ? {} : {content: digestOf(base64)}),
  };
}

/** Steps hold scripts, attributes, environments: the kind and the file's name are told, the rest is a digest. */
function publicStep(step: Provisioner): object {
  const {kind, options} = step;
  const {file} = options;
  return {kind, ...(file === undefined ? {} : {file}), ...digestOf(step)};
}

const secretName = /passw|secret|token|credential|private|environment|^env$|key$/i;

/** Options of a target: what is named like a secret, or like environment variables, becomes a digest. */
function withoutSecrets(value: JsonValue): JsonValue {
  if (typeof value === 'string') return withoutLogin(value);
  if (typeof value !== 'object' || value === null) return value;
  if (isList(value)) return value.map(withoutSecrets);
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      secretName.test(name) ? digestOf(inner) : withoutSecrets(inner),
    ]),
  );
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function digestOf(value: unknown): {readonly sha256: string} {
  return {sha256: canonicalDigest(JSON.parse(JSON.stringify(value)) as JsonValue)};
}

/** A URI without `user:password@`; other texts as they are. */
function withoutLogin(uri: string): string {
  return uri.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, '$1');
}
