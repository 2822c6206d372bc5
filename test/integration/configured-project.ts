/**
 * A project with a role and a module that each install, write, enable and add a user, and with user data for the first
 * boot; for configured.test.ts.
 */
export const configuredSpec = (
  targets: string,
  changes: {tests?: string; web?: string} = {},
): string => `version: 1
name: node
os: {distribution: debian, release: bookworm}
hostname: node
packages: [python3, python3-apt]
provision:
  - ansible:
      playbook: [ansible/site.yml, ansible/again.yml]
      roles: ansible/roles
      groups: [web]
      vars: {site_name: ${changes.web ?? 'example'}}
      vault_secret: vault
    network: true
    secrets: [{name: vault, file: vault-password}]
  - puppet:
      manifest: puppet/site.pp
      modules: puppet/modules
      hiera: puppet/hiera.yaml
      facts: {rank: first}
    network: true
  - cloud-init: first-boot.yaml
  - cloud-init: first-boot.sh
targets:
  ${targets}
${changes.tests ?? ''}`;

/** What a booted image is asked. */
export const configuredTests = `tests:
  - {service: nginx, running: true}
  - {service: cron, running: true}
  - command: systemctl is-enabled nginx cron
  - {port: 8080, listening: true}
  - {file: /etc/nginx/conf.d/site.conf, contains: "server_name example;", owner: "root:root", permissions: "0644"}
  - {file: /etc/cron.d/site, contains: "of first", permissions: "0600"}
  - command: id -u deploy
    stdout: "1700"
  - command: id -u clerk
    stdout: "1701"
  - command: sh -c '! command -v puppet && ! command -v ansible'
  - {file: /etc/first-boot/config, contains: "of the image", permissions: "0640"}
  - {file: /etc/first-boot/script, contains: "after the configuration"}
  - command: id -u guest
    stdout: "1702"
  - command: id debian
`;

export const configuredFiles: Readonly<Record<string, string>> = {
  'first-boot.yaml': `#cloud-config
datasource: {OpenStack: {max_wait: 60}}
users: [default, {name: guest, uid: 1702}]
write_files:
  - {path: /etc/first-boot/config, content: "of the image\\n", permissions: "0640"}
runcmd:
  - mv /etc/first-boot/config /etc/first-boot/by-runcmd
  - cp -p /etc/first-boot/by-runcmd /etc/first-boot/config
`,
  'first-boot.sh': `#!/bin/sh
test -e /etc/first-boot/config && echo after the configuration > /etc/first-boot/script
`,
  'vault-password': 'correct horse battery staple\n',
  'ansible/site.yml': `- hosts: web
  vars_files: [secret.yml]
  roles: [site]
  tasks:
    - name: Keep the facts
      copy:
        dest: /etc/facts.json
        content: "{{ ansible_facts | to_nice_json }}"
    - name: Make folders
      file: {path: "/srv/{{ item }}", state: directory}
      loop: [a, b]
`,
  'ansible/again.yml': '- name: again\n  hosts: web\n  vars_files: [secret.yml]\n  roles: [site]\n',
  // ansible-vault(1) encrypt, by the password above, of `mark: from the vault`.
  'ansible/secret.yml': `$ANSIBLE_VAULT;1.1;AES256
35393866393235373837633562306339353436323233356161306533303636363839323630326637
6337373365343736383661353638303864393436366532380a346635333535323938303835393931
63383330383037306633363435353932336466376535346530393234616538396232323436333431
3934636164616230640a623534306137343465306630633934333835616435373435346663623938
61383231303931386661323438616231366364316431353764353833336431616235
`,
  'ansible/roles/site/meta/main.yml': 'dependencies: [account]\n',
  'ansible/roles/site/defaults/main.yml': 'site_port: 8080\n',
  'ansible/roles/site/tasks/main.yml': `- name: Install the server
  apt: {name: nginx-light, state: present}
- name: Write the site
  template: {src: site.conf.j2, dest: /etc/nginx/conf.d/site.conf, mode: "0644"}
  notify: Restart the server
- name: Start the server
  service: {name: nginx, state: started, enabled: true}
`,
  'ansible/roles/site/handlers/main.yml':
    '- name: Restart the server\n  service: {name: nginx, state: restarted}\n',
  'ansible/roles/site/templates/site.conf.j2':
    '# {{ ansible_distribution_release }}, {{ ansible_date_time.iso8601 }}, {{ mark }}\nserver { listen {{ site_port }}; server_name {{ site_name }}; }\n',
  'ansible/roles/account/tasks/main.yml':
    '- name: Add the user\n  user: {name: deploy, uid: 1700, shell: /bin/sh}\n',
  'ansible/roles/unused/tasks/main.yml': '- debug: {msg: never}\n',
  'puppet/site.pp': `node default {
  include site
  file { '/etc/facts.txt': content => facts_text($facts) }
}
`,
  'puppet/hiera.yaml': 'version: 5\nhierarchy:\n  - {name: common, path: common.yaml}\n',
  'puppet/data/common.yaml': 'site::hour: 3\n',
  'puppet/modules/site/metadata.json': JSON.stringify({
    name: 'lab-site',
    version: '1.0.0',
    author: 'lab',
    summary: 'A site',
    license: 'Apache-2.0',
    source: 'none',
    dependencies: [{name: 'lab/texts'}],
  }),
  'puppet/modules/site/manifests/init.pp': `class site (Integer $hour) {
  package { 'cron':
    ensure          => installed,
    install_options => ['--no-install-recommends'],
  }
  -> file { '/etc/cron.d/site':
    mode    => '0600',
    content => epp('site/site.epp', { hour => $hour }),
  }
  ~> service { 'cron': ensure => running, enable => true }
  user { 'clerk': ensure => present, uid => 1701, managehome => true }
}
`,
  'puppet/modules/site/templates/site.epp':
    '<%- | Integer $hour | -%>\n# of <%= $facts["rank"] %>\n0 <%= $hour %> * * * root true\n',
  'puppet/modules/texts/lib/puppet/functions/facts_text.rb': `Puppet::Functions.create_function(:facts_text) do
  def facts_text(facts)
    facts.map { |name, value| "#{name}=#{value}\\n" }.sort.join
  end
end
`,
  'puppet/modules/unused/manifests/init.pp': 'class unused {}\n',
};
