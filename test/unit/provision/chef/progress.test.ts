import {describe, expect, it} from 'vitest';
import {CommandLog} from '../../../../src/sandbox/process.ts';
import {chefFailure, projectPlace} from '../../../../src/stages/provision/chef/failure.ts';
import {ChefProgress} from '../../../../src/stages/provision/chef/progress.ts';

const served = '/run/fgimage/chef/state/cache/cookbooks';
const nginx = {
  resource: 'apt_package[nginx]',
  action: 'install',
  cookbook: 'web',
  recipe: 'default',
  place: `${served}/web/recipes/default.rb:3:in \`from_file'`,
};
const site = {...nginx, resource: 'web_site[main]', action: 'create'};
const reason = {
  error: 'Chef::Exceptions::Package',
  message: 'No candidate version available for nginx',
  trace: [`${served}/web/recipes/default.rb:3:in \`from_file'`],
};
const context = {
  client: 'chef',
  version: undefined,
  network: false,
  cookbooks: new Map([['web', 'site/cookbooks/web']]),
  stage: 'customize:web/provision-1',
} as const;

function follow(events: readonly object[]): {progress: ChefProgress; told: string[]} {
  const told: string[] = [];
  const progress = new ChefProgress((message, fraction) =>
    told.push(fraction === undefined ? message : `${message} ${fraction.toFixed(2)}`),
  );
  for (const event of events) expect(progress.line(`fgimage-chef ${JSON.stringify(event)}`)).toBe(false);
  return {progress, told};
}

describe('progress', () => {
  it('tells recipe and resource, and how much is done', () => {
    const {told, progress} = follow([
      {event: 'run', version: '16.12.3'},
      {event: 'converge', resources: 2},
      {event: 'start', ...site},
      {event: 'start', ...nginx},
      {event: 'done'},
      {event: 'done'},
      {event: 'start', ...nginx, cookbook: '', recipe: ''},
      {event: 'done'},
    ]);

    expect(told).toEqual([
      'Chef 16.12.3',
      'web::default: web_site[main] (create) 0.00',
      'web::default: apt_package[nginx] (install) 0.00',
      'apt_package[nginx] (install) 0.50',
    ]);
    expect(progress.end).toBeUndefined();
  });

  it('knows the packages that were found to be there', () => {
    const {progress} = follow([
      {event: 'has-packages', packages: ['ruby', 'libyaml-0-2:amd64']},
      {event: 'has-packages', packages: ['ruby']},
    ]);

    expect(progress.packages).toEqual(['ruby', 'libyaml-0-2']);
  });

  it('leaves everything else to the log', () => {
    const {progress} = follow([]);

    expect(
      [
        '  * apt_package[nginx] action install',
        'fgimage-chef nonsense',
        'fgimage-chef {"event": "unheard"}',
        '    fgimage-chef {"event": "done"}',
      ].map((line) => progress.line(line)),
    ).toEqual([true, true, true, true]);
  });

  it('knows the innermost resource that failed', () => {
    const {progress} = follow([
      {event: 'start', ...site},
      {event: 'start', ...nginx},
      {event: 'failed', ignored: false, ...nginx, ...reason},
      {event: 'done'},
      {event: 'failed', ignored: false, ...site, ...reason},
      {event: 'done'},
      {event: 'run-failed', ...reason},
    ]);

    expect(progress.end).toMatchObject({kind: 'resource', failed: {resource: 'apt_package[nginx]'}});
  });

  it('forgets what was ignored, with what was inside', () => {
    const {progress} = follow([
      {event: 'start', ...site},
      {event: 'start', ...nginx},
      {event: 'failed', ignored: false, ...nginx, ...reason},
      {event: 'done'},
      {event: 'failed', ignored: true, ...site, ...reason},
      {event: 'done'},
      {event: 'start', ...nginx, resource: 'file[/a]'},
      {event: 'failed', ignored: false, ...nginx, resource: 'file[/a]', ...reason},
      {event: 'done'},
      {event: 'run-failed', ...reason},
    ]);

    expect(progress.end).toMatchObject({kind: 'resource', failed: {resource: 'file[/a]'}});
  });
});

describe('a reboot that a recipe asks for', () => {
  const reboot = {event: 'run-failed', error: 'Chef::Exceptions::Reboot', message: 'Rebooting', trace: []};

  it('is no failure at the end, and one in the middle', () => {
    const atEnd = follow([{event: 'converge', resources: 1}, {event: 'complete'}, reboot]).progress.end;
    const early = follow([{event: 'converge', resources: 1}, reboot]).progress.end;

    expect(atEnd).toEqual({kind: 'reboot', early: false});
    expect(early).toEqual({kind: 'reboot', early: true});
    expect(chefFailure({kind: 'reboot', early: true}, context)).toEqual({
      reason: 'refused',
      message: 'Chef ended the run early, for a reboot that a recipe asked for',
      details: ['log: fgimage logs customize:web/provision-1'],
      hint: 'Nothing reboots while an image is built: ask with `action :request_reboot`, or put what follows into a step of its own',
    });
  });
});

it('shows nothing of a secret, also where a text was cut off in the middle of it', () => {
  const log = new CommandLog('/dev/null', () => undefined);
  log.hide(['s3cret-of-the-bag']);
  const told: string[] = [];
  const progress = new ChefProgress(
    (message) => told.push(message),
    (text) => log.cleanCut(text),
  );
  const cut = 'x echo s3cret-of-';
  progress.line(`fgimage-chef ${JSON.stringify({event: 'start', ...nginx, resource: cut})}`);
  progress.line(
    `fgimage-chef ${JSON.stringify({event: 'failed', ignored: false, ...nginx, ...reason, message: `a s3cret-of-the-bag ${cut}`, trace: [cut]})}`,
  );
  progress.line(`fgimage-chef ${JSON.stringify({event: 'run-failed', ...reason})}`);

  expect(told).toEqual(['web::default: x echo *** (install)']);
  expect(progress.end).toMatchObject({failed: {message: 'a *** x echo ***', trace: ['x echo ***']}});
  expect(log.cleanCut('ends with s3c')).toBe('ends with s3c');
});

describe('a failure', () => {
  it('shows resource, recipe, place in the project, and the reason', () => {
    expect(chefFailure({kind: 'resource', failed: {...nginx, ...reason}}, context)).toEqual({
      reason: 'refused',
      message:
        'Chef failed at apt_package[nginx] (install) of web::default, site/cookbooks/web/recipes/default.rb:3',
      details: [
        'Chef::Exceptions::Package: No candidate version available for nginx',
        'at site/cookbooks/web/recipes/default.rb:3',
        'log: fgimage logs customize:web/provision-1',
      ],
      hint: 'The step has no network: put the package into `packages`, or say `network: true`',
    });
  });

  it('shows where a recipe could not be read', () => {
    const failed = {
      error: 'SyntaxError',
      message: `${served}/web/recipes/default.rb:7: syntax error, unexpected end\n  foo do\n`,
      trace: [`${served}/web/recipes/default.rb:7: syntax error, unexpected end`],
    };

    expect(chefFailure({kind: 'run', began: false, reason: failed}, {...context, client: 'cinc'})).toEqual({
      reason: 'refused',
      message: 'Cinc failed before it ran anything, at site/cookbooks/web/recipes/default.rb:7',
      details: [
        'SyntaxError: site/cookbooks/web/recipes/default.rb:7: syntax error, unexpected end',
        '    foo do',
        'at site/cookbooks/web/recipes/default.rb:7',
        'log: fgimage logs customize:web/provision-1',
      ],
      hint: 'Mend the recipe; `--keep-work on-failure` keeps the tree as it was left',
    });
  });

  it.each([
    ['SocketError', 'Failed to open TCP connection to x:443 (getaddrinfo: Name)', false, 'no network: say'],
    ['SocketError', 'Failed to open TCP connection to x:443 (getaddrinfo: Name)', true, 'Mend the recipe'],
    ['Chef::Exceptions::Package', 'E: Unable to locate package jq', false, '`packages`'],
    [
      'Chef::EncryptedDataBagItem::DecryptionFailure',
      'Error decrypting data bag value',
      false,
      'data_bag_secret',
    ],
    ['Errno::EROFS', 'Read-only file system @ rb_sysopen - /opt/chef/embedded/x', false, 'keep_client: true'],
  ])('says what can be done about %s: %s (%s)', (error, message, network, hint) => {
    const failed = {...nginx, error, message, trace: []};

    expect(chefFailure({kind: 'resource', failed}, {...context, network})).toMatchObject({
      hint: expect.stringContaining(hint) as string,
    });
  });

  it('names the client that is not there, or is another', () => {
    expect(chefFailure({kind: 'no-client'}, context)).toMatchObject({
      message: 'There is no chef-client in the image',
    });
    expect(chefFailure({kind: 'other-version', version: '17.1'}, {...context, version: '18'})).toMatchObject({
      message: 'The client is Chef 17.1, not 18',
    });
  });

  it('knows the files of cookbooks where the client has them', () => {
    const {cookbooks} = context;
    const repository = '/run/fgimage/chef/repository';

    expect(projectPlace(`${repository}/cookbooks/web/libraries/a.rb:1:in \`x'`, cookbooks)).toBe(
      'site/cookbooks/web/libraries/a.rb:1',
    );
    expect(projectPlace(`${repository}/cookbook_artifacts/web-0a1b/recipes/a.rb:2`, cookbooks)).toBe(
      'site/cookbooks/web/recipes/a.rb:2',
    );
    expect(projectPlace('/usr/lib/ruby/x.rb:1', cookbooks)).toBeUndefined();
    expect(projectPlace(`${served}/unknown/recipes/a.rb:1`, cookbooks)).toBeUndefined();
  });
});
