default['base']['greeting'] = 'Hello'
