import {describe, expect, it} from 'vitest';
import {AnsibleRun, projectPlace} from '../../../src/stages/provision/ansible/events.ts';
import {playedFiles} from '../../../src/stages/provision/ansible/inputs.ts';
import {configuration, inventory} from '../../../src/stages/provision/ansible/run.ts';
import {type AnsibleOptions, ansible} from '../../../src/stages/provision/ansible/schema.ts';
import {complaints, head, image, load, ProjectFolder} from '../spec/helpers.ts';
import {RecordedStage} from './recorded-stage.ts';

const role = (name: string): Record<string, string> => ({
  [`roles/${name}/tasks/main.yml`]: '- debug: {msg: hello}\n',
});

const site = '- hosts: all\n  roles: [web]\n';

function optionsOf(value: object): AnsibleOptions {
  return ansible.interpret(value, () => true).options as unknown as AnsibleOptions;
}

/** What `needs` and `check` find of a project. */
function played(files: Readonly<Record<string, string>>, value: object = {}): ReturnType<typeof playedFiles> {
  using project = new ProjectFolder(files);
  return playedFiles(optionsOf({playbook: 'site.yml', ...value}), project.dir);
}

describe('the schema of ansible', () => {
  it('reads a whole step', async () => {
    const step = `{playbook: [site.yml], roles: roles, vars: {port: 80}, tags: web, groups: [web], verbosity: 1}`;
    const spec = await load({
      'fgimage.yaml': `${head}provision: [{ansible: ${step}, network: true}]\ntargets: {tarball: {}}\n`,
      'site.yml': site,
      ...role('web'),
    });
    expect(image(spec, 'web').provision).toEqual([
      {
        kind: 'ansible',
        network: true,
        secrets: [],
        caches: [],
        options: {
          playbooks: ['site.yml'],
          roles: ['roles'],
          collections: [],
          vars: {port: 80},
          vars_files: [],
          tags: ['web'],
          skip_tags: [],
          groups: ['web'],
          files: [],
          verbosity: 1,
          via: 'chroot',
        },
      },
    ]);
  });

  it('takes variables from files', () => {
    expect(optionsOf({playbook: 'a.yml', vars: ['x.yml', './y.yml']})).toMatchObject({
      vars: {},
      vars_files: ['x.yml', 'y.yml'],
    });
  });

  it.each([
    ['{playbok: site.yml}', 'unknown key'],
    ['{playbook: site.yml, groups: [all]}', 'Every host is in `all` already'],
    ['{playbook: site.yml, via: ssh}', '"ssh"'],
    ['{playbook: missing.yml}', 'There is no "missing.yml" in the project'],
  ])('refuses %s', async (step, why) => {
    const found = await complaints(`${head}provision: [{ansible: ${step}}]\ntargets: {tarball: {}}\n`);
    expect(found.join('\n').toLowerCase()).toContain(why.toLowerCase());
  });
});

describe('the files of a play', () => {
  it('are the playbook, the roles that it names and those that these name, and not the others', () => {
    const files = played({
      'site.yml': `- hosts: all
  roles:
    - web
    - {role: mail}
  tasks:
    - include_role: {name: extra}
    - block:
        - ansible.builtin.import_role: name=blocked
`,
      ...role('web'),
      ...role('mail'),
      ...role('extra'),
      ...role('blocked'),
      ...role('base'),
      ...role('unused'),
      'roles/web/meta/main.yml': 'dependencies: [{role: base}]\n',
      'roles/web/templates/site.j2': '{{ port }}\n',
      'roles/web/molecule/default/converge.yml': 'left out\n',
      'other.yml': site,
    }).files;
    expect(files).toEqual([
      'roles/base/tasks/main.yml',
      'roles/blocked/tasks/main.yml',
      'roles/extra/tasks/main.yml',
      'roles/mail/tasks/main.yml',
      'roles/web/meta/main.yml',
      'roles/web/tasks/main.yml',
      'roles/web/templates/site.j2',
      'site.yml',
    ]);
  });

  it('are what lies beside the playbook, variables of its groups alone', () => {
    const {files} = played(
      {
        'play/site.yml':
          '- hosts: web\n  vars_files: ["../common/{{ ansible_distribution }}.yml", ../one.yml]\n',
        'play/group_vars/web.yml': 'a: 1\n',
        'play/group_vars/all/x.yml': 'a: 1\n',
        'play/group_vars/db.yml': 'a: 1\n',
        'play/host_vars/localhost.yml': 'a: 1\n',
        'play/host_vars/db1.yml': 'a: 1\n',
        'play/files/motd': 'hello\n',
        'play/filter_plugins/own.py': 'pass\n',
        'play/docs/read.md': 'left out\n',
        'common/Debian.yml': 'a: 1\n',
        'one.yml': 'a: 1\n',
        'two.yml': 'a: 1\n',
      },
      {playbook: 'play/site.yml', groups: 'web'},
    );
    expect(files).toEqual([
      'common/Debian.yml',
      'one.yml',
      'play/files/motd',
      'play/filter_plugins/own.py',
      'play/group_vars/all/x.yml',
      'play/group_vars/web.yml',
      'play/host_vars/localhost.yml',
      'play/site.yml',
    ]);
  });

  it('are all roles where a name is made by a template', () => {
    const {files} = played({
      'site.yml': '- hosts: all\n  tasks:\n    - include_role: {name: "{{ which }}"}\n',
      ...role('one'),
      ...role('two'),
    });
    expect(files).toEqual(['roles/one/tasks/main.yml', 'roles/two/tasks/main.yml', 'site.yml']);
  });

  it('are those of imported playbooks and included tasks', () => {
    const {files} = played({
      'site.yml': '- import_playbook: more/web.yml\n- hosts: all\n  tasks: [{include_tasks: a.yml}]\n',
      'a.yml': '- copy: {src: conf/a, dest: /etc/a}\n- copy: {src: tree/, dest: /opt}\n',
      'conf/a': 'a\n',
      'conf/b': 'b\n',
      'tree/x/y': 'y\n',
      'more/web.yml': '- hosts: all\n  roles: [web]\n',
      'more/roles/web/tasks/main.yml': '- debug: {}\n',
    });
    expect(files).toEqual([
      'a.yml',
      'conf/a',
      'more/roles/web/tasks/main.yml',
      'more/web.yml',
      'site.yml',
      'tree/x/y',
    ]);
  });

  it('are the collections that are named, with those that they depend on', () => {
    const collection = (name: string, needs = {}): Record<string, string> => ({
      [`vendor/ansible_collections/lab/${name}/MANIFEST.json`]: JSON.stringify({
        collection_info: {version: '1.2.3', dependencies: needs},
      }),
      [`vendor/ansible_collections/lab/${name}/plugins/modules/go.py`]: 'pass\n',
      [`vendor/ansible_collections/lab/${name}/tests/x.py`]: 'pass\n',
    });
    const {files, problems} = played(
      {
        'site.yml': '- hosts: all\n  tasks: [{lab.one.go: {}}]\n',
        'requirements.yml': 'collections: [{name: lab.one, version: 1.2.3}, lab.two]\n',
        ...collection('one', {'lab.two': '*'}),
        ...collection('two'),
        ...collection('three'),
      },
      {collections: 'vendor', requirements: 'requirements.yml'},
    );
    expect(problems).toEqual([]);
    expect(files).toEqual([
      'site.yml',
      'vendor/ansible_collections/lab/one/MANIFEST.json',
      'vendor/ansible_collections/lab/one/plugins/modules/go.py',
      'vendor/ansible_collections/lab/two/MANIFEST.json',
      'vendor/ansible_collections/lab/two/plugins/modules/go.py',
    ]);
  });

  it('are found where a role is named by its own folder', () => {
    const {files, problems} = played(
      {'site.yml': site, 'own/web/tasks/main.yml': '- debug: {}\n', 'own/db/tasks/main.yml': '- debug: {}\n'},
      {roles: 'own/web'},
    );
    expect(problems).toEqual([]);
    expect(files).toEqual(['own/web/tasks/main.yml', 'site.yml']);
  });
});

describe('a path in a text', () => {
  const files = (...given: Parameters<typeof played>): readonly string[] =>
    played(...given).files.filter((path) => path !== 'site.yml');
  const task = (text: string): string => `- hosts: all\n  tasks:\n    - ${text}\n`;

  it.each([
    [`copy: {content: "{{ lookup('file', 'keys/a.pub') }}", dest: /a}`, ['keys/a.pub']],
    [`copy: {content: "{{ lookup('file', playbook_dir + '/keys/a.pub') }}", dest: /a}`, ['keys/a.pub']],
    [
      `copy: {content: "{{ lookup('file', 'keys/' ~ who ~ '.pub') }}", dest: /a}`,
      ['keys/a.pub', 'keys/b.pub'],
    ],
    [`copy: {src: "{{ item }}", dest: /a}\n      with_fileglob: keys/*.pub`, ['keys/a.pub', 'keys/b.pub']],
    [`debug: {msg: "{{ query('fileglob', 'keys/*.pub') }}"}`, ['keys/a.pub', 'keys/b.pub']],
    ['script: run/setup.sh --all', ['run/setup.sh']],
    ['script: {cmd: run/setup.sh --all}', ['run/setup.sh']],
  ])('is found in %s', (text, wanted) => {
    const found = files({
      'site.yml': task(text),
      'keys/a.pub': 'a\n',
      'keys/b.pub': 'b\n',
      'run/setup.sh': 'true\n',
      'run/other.sh': 'true\n',
    });
    expect(found).toEqual(wanted);
  });

  it.each([
    'include_vars: "{{ item }}"\n      with_first_found: ["os/{{ ansible_distribution }}.yml", os/default.yml]',
    `include_vars: "{{ lookup('first_found', found) }}"\n      vars: {found: {files: ["{{ ansible_distribution }}.yml", default.yml], paths: [os]}}`,
    `include_vars: "{{ lookup('first_found', ['os/' ~ ansible_distribution ~ '.yml', 'os/default.yml']) }}"`,
  ])('is each that may be the first that is there: %s', (text) => {
    const {files: found, folders} = played({
      'site.yml': task(text),
      'os/Debian.yml': 'a: 1\n',
      'os/default.yml': 'a: 1\n',
    });
    expect(found).toEqual(['os/Debian.yml', 'os/default.yml', 'site.yml']);
    expect(folders).toContain('os');
  });

  it('counts where it is not there yet, and would be taken first', () => {
    const {folders} = played(
      {
        'play/site.yml': '- hosts: all\n  vars_files: [[own.yml, usual.yml]]\n',
        'play/usual.yml': 'a: 1\n',
      },
      {playbook: 'play/site.yml'},
    );
    expect(folders).toContain('play/own.yml');
  });

  it('may be a variable of the spec, a group, a role or a file', () => {
    const {files: found} = played(
      {
        'site.yml': '- hosts: all\n  roles: [web]\n  vars_files: [own.yml]\n',
        'own.yml': 'a: conf/a\n',
        'group_vars/all.yml': 'b: [{src: conf/b}]\n',
        ...role('web'),
        'roles/web/defaults/main.yml': 'c: conf/c\n',
        'conf/a': '',
        'conf/b': '',
        'conf/c': '',
        'conf/d': '',
        'conf/e': '',
      },
      {vars: {d: {file: 'conf/d'}}},
    );
    expect(found.filter((path) => path.startsWith('conf/'))).toEqual([
      'conf/a',
      'conf/b',
      'conf/c',
      'conf/d',
    ]);
  });

  it('that is a template as a whole says nothing of what lies beside the playbook', () => {
    const found = files({
      'site.yml': '- hosts: all\n  roles: [web]\n  tasks:\n    - template: {src: "{{ item }}", dest: /a}\n',
      ...role('web'),
      'roles/web/tasks/more.yml': '- include_vars: "{{ ansible_distribution }}.yml"\n',
      'fgimage.yml': 'version: 1\n',
      'other.json': '{}\n',
    });
    expect(found).toEqual(['roles/web/tasks/main.yml', 'roles/web/tasks/more.yml']);
  });

  it('leads on from tasks that are named by a template', () => {
    const found = files({
      'site.yml': task('include_tasks: "parts/{{ item }}.yml"'),
      'parts/a.yml': '- include_role: {name: web}\n',
      ...role('web'),
    });
    expect(found).toEqual(['parts/a.yml', 'roles/web/tasks/main.yml']);
  });
});

describe('the variables of groups', () => {
  it('are all where the plays make groups', () => {
    const {files} = played({
      'site.yml':
        '- hosts: all\n  tasks: [{group_by: {key: "os_{{ ansible_distribution }}"}}]\n- hosts: os_*\n',
      'group_vars/os_Debian.yml': 'a: 1\n',
    });
    expect(files).toEqual(['group_vars/os_Debian.yml', 'site.yml']);
  });
});

describe('roles', () => {
  it('beside the playbook go before those of the spec, as Ansible has it', () => {
    const {files} = played(
      {'site.yml': site, ...role('web'), 'vendor/web/tasks/main.yml': '- debug: {}\n'},
      {roles: 'vendor'},
    );
    expect(files).toEqual(['roles/web/tasks/main.yml', 'site.yml']);
  });

  it('of a collection may be named without it where the play says `collections`', () => {
    const files = {
      'site.yml': '- hosts: all\n  collections: [lab.one]\n  roles: [web]\n',
      'c/ansible_collections/lab/one/galaxy.yml': 'version: 1.0.0\n',
      'c/ansible_collections/lab/one/roles/web/tasks/main.yml': '- debug: {}\n',
    };
    expect(played(files, {collections: 'c'}).problems).toEqual([]);
    const without = {...files, 'site.yml': site};
    expect(played(without, {collections: 'c'}).problems).toHaveLength(1);
  });

  it('are in the key without the note of when they were installed', () => {
    const {files} = played({
      'site.yml': site,
      ...role('web'),
      'roles/web/meta/.galaxy_install_info': 'install_date: now\n',
    });
    expect(files).toEqual(['roles/web/tasks/main.yml', 'site.yml']);
  });
});

describe('check', () => {
  const messages = (files: Readonly<Record<string, string>>, value: object = {}): string[] =>
    played(files, value).problems.map(({message, hint}) => `${message}; ${hint}`);

  it('names a role that is not there with its place, and the nearest that is', () => {
    expect(messages({'site.yml': '- hosts: all\n  roles:\n    - wbe\n', ...role('web')})).toEqual([
      'site.yml:3 names the role wbe, which is in none of roles; Write `web`',
    ]);
  });

  it('tells where a file is no YAML', () => {
    const [message = ''] = messages({'site.yml': '- hosts: all\n  tasks: [\n'});
    expect(message).toMatch(/^site\.yml:\d+:\d+: /);
  });

  it('tells that no play is for the image', () => {
    const files = {'site.yml': '- hosts: web\n- hosts: [db, cache]\n'};
    expect(messages(files)).toEqual([
      'No play is for this image: they are for web, db, cache; Write `groups: [web]` beside `playbook`, or `hosts: all` in the play',
    ]);
    expect(messages(files, {groups: 'db'})).toEqual([]);
    expect(messages({'site.yml': '- hosts: "web*"\n'})).toEqual([]);
  });

  it('compares the version of a role with the one that ansible-galaxy has noted down', () => {
    const note = (version: string): Record<string, string> => ({
      'site.yml': '- hosts: all\n',
      'requirements.yml': 'roles: [{name: web, version: 1.2.3}, {name: own, version: 2.0.0}]\n',
      ...role('web'),
      ...role('own'),
      'roles/web/meta/.galaxy_install_info': `install_date: now\nversion: ${version}\n`,
    });
    expect(messages(note('1.2.3'), {requirements: 'requirements.yml'})).toEqual([]);
    expect(messages(note('1.2.2'), {requirements: 'requirements.yml'})).toEqual([
      'requirements.yml lists the role web 1.2.3, and the project has 1.2.2; Bring that version there: ansible-galaxy role install --force -r requirements.yml -p roles',
    ]);
  });

  it('compares requirements with what the project has', () => {
    const found = messages(
      {
        'site.yml': '- hosts: all\n',
        'requirements.yml':
          'roles: [{name: geerlingguy.nginx}]\ncollections: [{name: lab.one, version: 2.0.0}, lab.tow]\n',
        'c/ansible_collections/lab/one/galaxy.yml': 'version: 1.0.0\n',
        'c/ansible_collections/lab/two/galaxy.yml': 'version: 1.0.0\n',
        ...role('web'),
      },
      {requirements: 'requirements.yml', collections: 'c'},
    );
    expect(found).toEqual([
      'requirements.yml lists the role geerlingguy.nginx, which is in none of roles; Bring it into the project: ansible-galaxy role install -r requirements.yml -p roles',
      'requirements.yml lists lab.one 2.0.0, and the project has 1.0.0; Bring that version there: ansible-galaxy collection install --force -r requirements.yml -p collections',
      'requirements.yml lists the collection lab.tow, which is not in the project; there is lab.two; Bring it there, and name the folder in `collections`: ansible-galaxy collection install -r requirements.yml -p collections',
    ]);
  });
});

describe('what the step needs', () => {
  it('is the tools image with Ansible, unless the image has it', async () => {
    using project = new ProjectFolder({'site.yml': '- hosts: all\n'});
    const needs = (value: object): ReturnType<typeof ansible.needs> =>
      ansible.needs(ansible.interpret({playbook: 'site.yml', ...value}, () => true).options, {
        dir: project.dir,
      });
    expect(await needs({})).toMatchObject({files: ['site.yml'], tools: 'ansible'});
    expect(await needs({via: 'image'})).not.toHaveProperty('tools');
  });

  it('names the folders in which a new file counts, there or not', async () => {
    using project = new ProjectFolder({'play/site.yml': '- hosts: all\n'});
    const {options} = ansible.interpret({playbook: 'play/site.yml', roles: 'more'}, () => true);
    const {folders} = await ansible.needs(options, {dir: project.dir});
    expect(folders).toEqual(
      expect.arrayContaining(['more', 'play/group_vars', 'play/roles', 'play/templates']),
    );
  });

  it('is refused where a role is missing', async () => {
    using project = new ProjectFolder({'site.yml': site});
    const {options} = ansible.interpret({playbook: 'site.yml'}, () => true);
    await expect(ansible.needs(options, {dir: project.dir})).rejects.toMatchObject({code: 'SPEC_INVALID'});
  });
});

describe('a run of ansible-playbook', () => {
  const event = (told: object): string => `fgimage-ansible: ${JSON.stringify(told)}`;
  const task = {role: 'web', task: 'Install', path: `${projectPlace}/roles/web/tasks/main.yml:4`};

  function follow(lines: readonly string[], network = false): {stage: RecordedStage; run: AnsibleRun} {
    const stage = new RecordedStage();
    const run = new AnsibleRun(stage, {network, id: 'customize:web/provision-1'});
    for (const line of lines) if (run.line(line)) stage.log.write(line);
    return {stage, run};
  }

  it('shows tasks and items, and writes a log that can be read', () => {
    const {stage, run} = follow([
      event({event: 'play', name: 'all'}),
      event({event: 'task', ...task}),
      event({event: 'item-changed', ...task, item: `${projectPlace}/nginx`}),
      event({event: 'changed', ...task}),
      event({event: 'ok', ...task, msg: `see ${projectPlace}/site.yml`}),
      `[WARNING]: ${projectPlace}/site.yml is odd`,
      'as it is',
    ]);
    expect(stage.told).toEqual(['web: Install', 'web: Install (nginx)']);
    expect(stage.lines).toEqual([
      'PLAY all',
      'TASK web: Install (roles/web/tasks/main.yml:4)',
      '  changed nginx',
      '  changed',
      '  ok: see site.yml',
      '[WARNING]: site.yml is odd',
      'as it is',
    ]);
    expect(run.failure(true)).toBeUndefined();
  });

  it('tells role, task, place and reason of a failure, of the item that failed', () => {
    const {run} = follow([
      event({event: 'play', name: 'all'}),
      event({event: 'task', ...task}),
      event({
        event: 'item-failed',
        ...task,
        item: 'nginx',
        msg: "No package matching 'nginx' is available\nmore",
      }),
      event({event: 'failed', ...task, msg: 'One or more items failed'}),
    ]);
    expect(run.failure(false)).toEqual({
      reason: 'refused',
      message:
        "web: Install (nginx) failed (roles/web/tasks/main.yml:4): No package matching 'nginx' is available",
      hint: 'The step has no network: add the packages to `packages`, or write `network: true` beside `ansible`',
      details: ['more', 'log: fgimage logs customize:web/provision-1'],
    });
  });

  it('does not blame a failure that was ignored', () => {
    const {run} = follow([
      event({event: 'play', name: 'all'}),
      event({event: 'ignored', ...task, msg: 'no'}),
    ]);
    expect(run.failure(false)).toBeUndefined();
  });

  it.each([
    [[event({event: 'play', name: 'all'}), event({event: 'no-hosts'})], true, 'No play was for this image'],
    [[event({event: 'no-python'})], false, 'The image has no python3'],
    [[event({event: 'no-ansible'})], false, 'The image has no ansible-playbook'],
  ])('tells what was missing %#', (lines, isDone, message) => {
    const {run} = follow(lines);
    expect(run.failure(isDone)).toMatchObject({
      reason: 'refused',
      message: expect.stringContaining(message) as string,
    });
  });
});

describe('what Ansible is told', () => {
  it('is one host in its groups, reached through the tree', () => {
    expect(inventory(optionsOf({playbook: 'a.yml', groups: ['web', 'eu']}))).toEqual({
      all: {
        hosts: {
          localhost: {
            ansible_connection: 'fgimage_tree',
            ansible_user: 'root',
            ansible_python_interpreter: '/usr/bin/python3',
          },
        },
        children: {web: {hosts: {localhost: {}}}, eu: {hosts: {localhost: {}}}},
      },
    });
  });

  it('is where roles and collections are, by the paths that it sees', () => {
    using project = new ProjectFolder({'c/ansible_collections/lab/one/galaxy.yml': ''});
    const text = configuration(
      optionsOf({playbook: 'a.yml', roles: ['roles', 'web'], collections: 'c'}),
      project.dir,
    );
    expect(text).toContain(`roles_path = ${projectPlace}/roles:${projectPlace}/web:${projectPlace}\n`);
    expect(text).toContain(`collections_path = ${projectPlace}/c:/tmp/fgimage-ansible/collections\n`);
  });
});
