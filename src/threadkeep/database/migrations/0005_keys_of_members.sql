-- No key has more than its holder: lowering a member did not lower the keys that were there before.
update api_keys set revision = revision + 1, role = (
    select m.role from members m where m.organization = api_keys.organization and m.user_id = api_keys.user_id
)
where exists (
    select 1 from members m
    where m.organization = api_keys.organization and m.user_id = api_keys.user_id
      and m.role <> api_keys.role and m.role <> 'owner' and (api_keys.role = 'owner' or m.role = 'member')
);
