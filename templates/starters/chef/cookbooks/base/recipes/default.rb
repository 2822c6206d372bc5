# Services are not started while the image is built: what is enabled here starts when it boots.
package 'chrony'

template '/etc/motd' do
  source 'motd.erb'
  mode '0644'
end

service 'chrony' do
  action [:enable, :start]
end
