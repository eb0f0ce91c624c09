-- Rows as a tocsin of the first schema wrote them: two open alerts, one that is
-- acknowledged and one that is closed, with what was owed of them.
INSERT INTO alert (id, key, live, version, status, level, severity, account, region, type, opened_at, changed_at, occurrences, search, doc)
VALUES (1, 'aws/111122223333/eu-west-1/f1', 1, 1, 'open', 4, 6.8, '111122223333', 'eu-west-1', 'Recon:EC2/Portscan', 1785466800000, 1785466800000, 3, 'ec2 i-0abc (web-1) scans ports
outbound portscan
recon:ec2/portscan
111122223333
eu-west-1
i-0abc
web-1
203.0.113.7




f1', '{"id":0,"version":0,"status":"open","key":"aws/111122223333/eu-west-1/f1","rule":"guardduty","dialect":"guardduty","type":"Recon:EC2/Portscan","finding_id":"f1","level":"high","severity":6.8,"headline":"EC2 i-0abc (web-1) scans ports","title":"Outbound portscan","account":"111122223333","region":"eu-west-1","resource":{"type":"Instance","id":"i-0abc","name":"web-1","tags":{"team":"payments"}},"actor":{"ip":"203.0.113.7"},"facts":[{"name":"By","value":"203.0.113.7:443"}],"count":3,"first_seen":"2026-07-31T02:00:00Z","last_seen":"2026-07-31T02:59:00Z","created_at":"2026-07-31T02:00:00Z","updated_at":"2026-07-31T02:59:00Z","path":"sns:org-topic","worst":"high","occurrences":3,"events":1,"paths":["sns:org-topic"],"opened_at":"2026-07-31T03:00:00Z","changed_at":"2026-07-31T03:00:00Z","told":["slack"]}
');
INSERT INTO alert (id, key, live, version, status, level, severity, account, region, type, opened_at, changed_at, occurrences, search, doc)
VALUES (2, 'aws/111122223333/eu-west-1/f2', 1, 2, 'acked', 3, 5.1, '111122223333', 'eu-west-1', 'Recon:EC2/Portscan', 1785466810000, 1785466900000, 3, 'ec2 i-0abc (web-1) scans ports
outbound portscan
recon:ec2/portscan
111122223333
eu-west-1
i-0abc
web-1
203.0.113.7




f2', '{"id":2,"version":1,"status":"acked","key":"aws/111122223333/eu-west-1/f2","rule":"guardduty","dialect":"guardduty","type":"Recon:EC2/Portscan","finding_id":"f2","level":"medium","severity":5.1,"headline":"EC2 i-0abc (web-1) scans ports","title":"Outbound portscan","account":"111122223333","region":"eu-west-1","resource":{"type":"Instance","id":"i-0abc","name":"web-1","tags":{"team":"payments"}},"actor":{"ip":"203.0.113.7"},"facts":[{"name":"By","value":"203.0.113.7:443"}],"count":3,"first_seen":"2026-07-31T02:00:00Z","last_seen":"2026-07-31T02:59:00Z","created_at":"2026-07-31T02:00:00Z","updated_at":"2026-07-31T02:59:00Z","path":"sns:org-topic","worst":"medium","occurrences":3,"events":1,"paths":["sns:org-topic"],"opened_at":"2026-07-31T03:00:10Z","changed_at":"2026-07-31T03:01:40Z","acked_at":"2026-07-31T03:01:40Z","acked_by":"ada"}
');
INSERT INTO alert (id, key, live, version, status, level, severity, account, region, type, opened_at, changed_at, occurrences, search, doc)
VALUES (3, 'aws/444455556666/eu-west-1/f3', NULL, 2, 'closed', 3, 5.1, '444455556666', 'eu-west-1', 'Trojan:EC2/DropPoint', 1785466820000, 1785467000000, 3, 'ec2 i-0abc (web-1) scans ports
outbound portscan
trojan:ec2/droppoint
444455556666
eu-west-1
i-0abc
web-1
203.0.113.7




f3', '{"id":3,"version":1,"status":"closed","key":"aws/444455556666/eu-west-1/f3","rule":"guardduty","dialect":"guardduty","type":"Trojan:EC2/DropPoint","finding_id":"f3","level":"medium","severity":5.1,"headline":"EC2 i-0abc (web-1) scans ports","title":"Outbound portscan","account":"444455556666","region":"eu-west-1","resource":{"type":"Instance","id":"i-0abc","name":"web-1","tags":{"team":"payments"}},"actor":{"ip":"203.0.113.7"},"facts":[{"name":"By","value":"203.0.113.7:443"}],"count":3,"first_seen":"2026-07-31T02:00:00Z","last_seen":"2026-07-31T02:59:00Z","created_at":"2026-07-31T02:00:00Z","updated_at":"2026-07-31T02:59:00Z","path":"sns:org-topic","worst":"medium","occurrences":3,"events":1,"paths":["sns:org-topic"],"opened_at":"2026-07-31T03:00:20Z","changed_at":"2026-07-31T03:03:20Z","closed_at":"2026-07-31T03:03:20Z","closed_by":"bob","close_reason":"fixed"}
');
INSERT INTO alert (id, key, live, version, status, level, severity, account, region, type, opened_at, changed_at, occurrences, search, doc)
VALUES (4, 'aws/444455556666/eu-west-1/f4', 1, 1, 'open', 4, 6.8, '444455556666', 'eu-west-1', 'Recon:EC2/Portscan', 1785466830000, 1785466830000, 3, 'ec2 i-0abc (web-1) scans ports
outbound portscan
recon:ec2/portscan
444455556666
eu-west-1
i-0abc
web-1
203.0.113.7




f4', '{"id":0,"version":0,"status":"open","key":"aws/444455556666/eu-west-1/f4","rule":"guardduty","dialect":"guardduty","type":"Recon:EC2/Portscan","finding_id":"f4","level":"high","severity":6.8,"headline":"EC2 i-0abc (web-1) scans ports","title":"Outbound portscan","account":"444455556666","region":"eu-west-1","resource":{"type":"Instance","id":"i-0abc","name":"web-1","tags":{"team":"payments"}},"actor":{"ip":"203.0.113.7"},"facts":[{"name":"By","value":"203.0.113.7:443"}],"count":3,"first_seen":"2026-07-31T02:00:00Z","last_seen":"2026-07-31T02:59:00Z","created_at":"2026-07-31T02:00:00Z","updated_at":"2026-07-31T02:59:00Z","path":"sns:org-topic","worst":"high","occurrences":3,"events":1,"paths":["sns:org-topic"],"opened_at":"2026-07-31T03:00:30Z","changed_at":"2026-07-31T03:00:30Z"}
');
INSERT INTO timeline (id, alert, at, kind, who, note)
VALUES (1, 2, 1785466900000, 'acknowledged', 'ada', '');
INSERT INTO timeline (id, alert, at, kind, who, note)
VALUES (2, 3, 1785467000000, 'closed', 'bob', 'fixed');
INSERT INTO notification (id, alert, receiver, kind, why, changes, state, created_at, deadline, due, leased, attempts, settled_at, ref, last_error)
VALUES (1, 1, 'slack', 'opened', 'route 2', '', 'delivered', 1785466800000, 1785553200000, 1785466860000, 0, 1, 1785466802000, '1753930800.000100', '');
INSERT INTO notification (id, alert, receiver, kind, why, changes, state, created_at, deadline, due, leased, attempts, settled_at, ref, last_error)
VALUES (2, 1, 'slack', 'raised', 'route 2', '[{"what":"severity","from":"medium 5","to":"high 8"}]', 'pending', 1785466850000, 1785553200000, 1785467100000, 0, 0, 0, '', '503');
INSERT INTO notification (id, alert, receiver, kind, why, changes, state, created_at, deadline, due, leased, attempts, settled_at, ref, last_error)
VALUES (3, 2, 'slack', 'opened', 'route 2', '', 'parked', 1785466800000, 1785553200000, 1785466860000, 0, 1, 1785466870000, '', '');
INSERT INTO notification (id, alert, receiver, kind, why, changes, state, created_at, deadline, due, leased, attempts, settled_at, ref, last_error)
VALUES (4, 3, 'slack', 'opened', 'route 2', '', 'delivered', 1785466800000, 1785553200000, 1785466860000, 0, 1, 1785466803000, '1753930800.000100', '');
INSERT INTO tally (kind, a, b, slot, n, at)
VALUES ('alert', '', '', 0, 4, 0);
INSERT INTO tally (kind, a, b, slot, n, at)
VALUES ('notification', 'delivered', '', 0, 2, 0);
INSERT INTO tally (kind, a, b, slot, n, at)
VALUES ('notification', 'parked', '', 0, 1, 0);

-- The numbers above were not drawn.
{{postgres}} SELECT setval(pg_get_serial_sequence('alert', 'id'), 4);
{{postgres}} SELECT setval(pg_get_serial_sequence('timeline', 'id'), 2);
{{postgres}} SELECT setval(pg_get_serial_sequence('notification', 'id'), 4);
